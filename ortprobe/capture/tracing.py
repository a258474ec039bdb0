"""One capture: hooks in, hooks out, and a bundle on disk."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import time_ns
from types import ModuleType, TracebackType

import msgspec

from ortprobe import __version__
from ortprobe.bundle import BundleWriter, Ending, Manifest, SessionCreated, Settings, Target
from ortprobe.capture.clock import clock_anchor
from ortprobe.capture.environment import describe_devices, describe_environment, profiling_tool
from ortprobe.capture.handovers.handovers import hook_handovers
from ortprobe.capture.hook_log import HookLog, one_line
from ortprobe.capture.hooks.imports import ORT_PYTHON, ImportWatcher
from ortprobe.capture.hooks.nvtx_ranges import ProgramRange
from ortprobe.capture.hooks.ort_calls import hook_calls
from ortprobe.capture.hooks.ort_creation import hook_creation
from ortprobe.capture.hooks.ort_runs import hook_costs_ns
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.hooks.torch_hooks import TorchHooks
from ortprobe.capture.hooks.torch_pointers import hook_data_ptr
from ortprobe.capture.models import ModelBook
from ortprobe.capture.profiler.cuda_graphs import CudaGraphs
from ortprobe.capture.profiler.profiler_window import ProfilerWindows
from ortprobe.capture.program.children import (
    ChildOrder,
    ChildProcesses,
    call_at_exit,
    complete_when_killed,
    detach_profiles,
    uncaught,
)
from ortprobe.capture.program.descriptors import keep_descriptors
from ortprobe.capture.program.tracebacks import hide_tracer
from ortprobe.capture.recorder import Recorder, current_recorder, set_current_recorder
from ortprobe.capture.served import ServedRuns
from ortprobe.capture.sessions import SessionBook
from ortprobe.capture.streams import StreamBook
from ortprobe.capture.windows import Schedule
from ortprobe.errors import UsageError

DEFAULT_SETTINGS = Settings(warmup_runs=0, active_runs=20, torch_runs=20)
_ON_GPU = ("CUDAExecutionProvider", "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")


class Capture:
    """Records this process between `start` and `finish` into a bundle.

    Args:
        folder: the bundle, made by `start`; `NAME.ortprobe` by convention.
        target: what is traced, for the manifest.
        settings: how much is attached for how long.
        torch_profiler: attach torch's profiler at all; not under Nsight Systems, which needs the same CUPTI subscriber.
        force: replace a bundle that is already there.
        parent: the OS process id of the captured process that started this one.
    """

    def __init__(
        self,
        folder: Path,
        target: Target,
        settings: Settings = DEFAULT_SETTINGS,
        *,
        torch_profiler: bool = True,
        force: bool = False,
        parent: int | None = None,
    ) -> None:
        self.folder = folder
        self._target = target
        self._settings = settings
        self._wants_profiler = torch_profiler
        self._force = force
        self._parent = parent
        self._patches = Patches()
        self._watcher = ImportWatcher()
        self._models = ModelBook()
        self._graphs = CudaGraphs()
        self.range = ProgramRange()
        """What of the program Nsight Systems records: from its first import of onnxruntime or torch to its end."""
        self._recorder: Recorder | None = None
        self._children: ChildProcesses | None = None

    def start(self) -> None:
        """Make the bundle, and put the hooks in as soon as the program imports what they hook.

        Raises:
            UsageError: another capture is under way in this process, or the bundle can't be written.
            OutputExists: the bundle is already there.
        """
        if current_recorder() is not None:
            raise UsageError("a capture is already under way in this process; finish it before starting another")
        writer = BundleWriter(self.folder, self._manifest(), force=self._force)
        self._recorder = recorder = self._make_recorder(writer)
        set_current_recorder(recorder)
        try:
            hide_tracer(self._patches)
            keep_descriptors(self._patches, recorder.folder)
            self._install(recorder)
        except BaseException:
            self.finish(exit_code=1, exception="the hooks could not be installed")
            raise

    def finish(self, exit_code: int | None = 0, exception: str = "") -> None:
        """End the program's range, take the hooks out and complete the bundle. Does nothing the second time."""
        recorder = self._recorder
        if recorder is None or current_recorder() is not recorder:
            return
        self._recorder = None
        if self._parent is None:
            with suppress(Exception):
                self.range.end()
        clock = clock_anchor()
        self._watcher.stop()
        with suppress(Exception):
            self._patches.restore()
        if self._children is not None:
            self._children.finish()
        for step in (recorder.schedule.finish, recorder.sessions.finish, recorder.served.finish):
            try:
                step()
            except Exception as error:
                recorder.log.lost("ending", error)
        self._complete(recorder, Ending(clock=clock, exit_code=exit_code, exception=exception))
        set_current_recorder(None)

    def daemons_at_work(self) -> bool:
        """Whether daemon threads that made hooked calls are still there."""
        seen = self._recorder.log.threads if self._recorder is not None else set()
        return any(thread.daemon and thread.native_id in seen for thread in threading.enumerate())

    def __enter__(self) -> Capture:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.finish(exit_code=1 if exc else 0, exception=one_line(exc) if exc else "")

    def _complete(self, recorder: Recorder, ending: Ending) -> None:
        writer = recorder.log.writer
        if writer is None:
            return
        manifest = writer.manifest
        cost_ns = self._measure_hook_cost(recorder, manifest)
        models = manifest.models
        try:
            models = self._models.described([session for session, _ in recorder.sessions.living()])
        except Exception as error:
            recorder.log.lost("models", error)
        recorder.log.finish()
        environment = msgspec.structs.replace(describe_environment(), devices=describe_devices(recorder.torch))
        writer.close(
            msgspec.structs.replace(
                manifest, environment=environment, ending=ending, hook_cost_ns=cost_ns, models=models
            )
        )

    def _manifest(self) -> Manifest:
        return Manifest(
            ortprobe=__version__,
            target=self._target,
            process=os.getpid(),
            parent=self._parent,
            environment=describe_environment(),
            settings=self._settings,
            clock=clock_anchor(),
        )

    def _make_recorder(self, writer: BundleWriter) -> Recorder:
        log = HookLog(writer, limit_bytes=self._settings.largest_bundle_bytes)
        recorder = _recorder(log, writer.folder, self._settings)
        recorder.session_created = self._session_created
        return recorder

    def _install(self, recorder: Recorder) -> None:
        if self._wants_profiler and (tool := profiling_tool()):
            self._wants_profiler = False
            recorder.log.lost("torch_profiler", f"{tool} is attached, and CUPTI serves one tool at a time")
        if self._settings.follow_children:
            family = self.folder.resolve() if self._parent is None else self.folder.resolve().parent.parent
            order = ChildOrder(str(family), self._target.name, self._settings, self._wants_profiler)
            self._children = ChildProcesses(order, self._become_child)
        self._watcher.when_imported(ORT_PYTHON, self._hook_onnxruntime)
        self._watcher.when_imported("torch", self._hook_torch)
        self._watcher.start()

    def _hook_onnxruntime(self, collection: ModuleType) -> None:
        recorder = self._recorder
        if recorder is None:
            return
        try:
            self.range.begin()
            hook_creation(self._patches, recorder, collection.InferenceSession)
            hook_calls(self._patches, recorder, collection)
        except Exception as error:
            recorder.log.lost("onnxruntime_hooks", error)

    def _hook_torch(self, torch: ModuleType) -> None:
        recorder = self._recorder
        if recorder is None:
            return
        try:
            self.range.begin()
            TorchHooks(recorder, torch).install(self._patches)
            recorder.torch = torch
            hook_handovers(self._patches, recorder)
            self._graphs.hook_torch(self._patches, torch)
            if self._wants_profiler:
                profiler = ProfilerWindows(recorder.log, recorder.folder, torch, recorder.bound, self._graphs)
                profiler.make_way(self._patches)
                recorder.schedule.use(profiler)
            hook_data_ptr(self._patches, recorder, torch)
        except Exception as error:
            recorder.log.lost("torch_hooks", error)

    def _session_created(self, created: SessionCreated) -> None:
        """Have torch for its profiler where the program does without it, once the session has what it has by itself."""
        self._models.seen(created)
        self._graphs.note_session(created)
        recorder = self._recorder
        if recorder is None or recorder.torch is not None or not self._wants_profiler:
            return
        if not any(provider in _ON_GPU for provider in created.providers):
            return
        if find_spec("torch") is None:
            recorder.log.lost("torch", "torch is not installed: no device timeline, no copies")
            return
        why = "the program does not import torch; the capture did so after the first session had been made on the GPU"
        recorder.log.lost("torch_late", why)
        begin_ns = time_ns()
        try:
            import_module("torch")
        except Exception as error:
            recorder.log.lost("torch", error)
        recorder.log.call("ortprobe.import_torch", begin_ns, time_ns())

    def _become_child(self, folder: Path) -> None:
        """In a forked child, at once: begin a bundle of its own with the first call that belongs into one."""
        recorder, parent = self._recorder, self._target
        if recorder is None:
            return
        detach_profiles(self.folder.resolve())
        self.folder, self._parent = folder, os.getppid()
        self._target = Target(kind="child", name=f"{parent.name}-{os.getpid()}", argv=parent.argv)
        inherited = recorder.sessions.start_again(folder)

        def open_writer() -> BundleWriter:
            writer = BundleWriter(folder, self._manifest())
            for created in inherited:
                writer.append(created)
            complete_when_killed(self.finish)
            return writer

        recorder.log.start_again(open_writer)
        recorder.folder = folder
        recorder.streams.forget()
        recorder.served.forget()
        if recorder.schedule.profiler is not None:
            recorder.schedule.profiler.abandon(folder)
        call_at_exit(self, lambda capture: capture.finish(exit_code=None, exception=uncaught()))

    def _measure_hook_cost(self, recorder: Recorder, manifest: Manifest) -> int | None:
        """What a hooked run costs more than a bare one, on a session that does nothing and a log of its own."""
        try:
            with tempfile.TemporaryDirectory(prefix="ortprobe-") as scratch:
                writer = BundleWriter(Path(scratch) / "cost.ortprobe", manifest)
                try:
                    bare = _recorder(HookLog(writer), writer.folder, Settings(windows=0))
                    bare.torch = recorder.torch
                    return int(median(hook_costs_ns(bare)))
                finally:
                    writer.close(manifest)
        except Exception as error:
            recorder.log.lost("hook_cost", error)
            return None


def _recorder(log: HookLog, folder: Path, settings: Settings) -> Recorder:
    sessions = SessionBook(log, folder)
    recorder = Recorder(log, folder, sessions, StreamBook(log), Schedule(settings, sessions), ServedRuns(log))
    recorder.schedule.when_opened = recorder.catch_up
    return recorder


@contextmanager
def trace(
    out: str | Path,
    *,
    name: str = "trace",
    settings: Settings = DEFAULT_SETTINGS,
    torch_profiler: bool = True,
    force: bool = False,
) -> Iterator[Capture]:
    """Record what happens inside the `with` block into `out/NAME.ortprobe`.

    >>> with ortprobe.trace("out") as capture:
    ...     serve_requests()
    >>> capture.folder
    PosixPath('out/trace.ortprobe')

    An exception goes on to the caller, with the bundle complete. `ortprobe report out/trace.ortprobe` makes the report.

    Raises:
        UsageError, OutputExists: before the block is entered; see `Capture.start`.
    """
    folder = Path(out) / f"{name}.ortprobe"
    target = Target(kind="code", name=name)
    with Capture(folder, target, settings, torch_profiler=torch_profiler, force=force) as capture:
        yield capture
