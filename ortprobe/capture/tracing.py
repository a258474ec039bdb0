"""One capture: hooks in, hooks out, and a bundle on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from statistics import median
from types import ModuleType, TracebackType

import msgspec

from ortprobe import __version__
from ortprobe.bundle import BundleWriter, Ending, Manifest, Settings, Target
from ortprobe.capture.clock import clock_anchor
from ortprobe.capture.descriptors import keep_descriptors, open_descriptors
from ortprobe.capture.environment import describe_devices, describe_environment
from ortprobe.capture.hook_log import HookLog, one_line
from ortprobe.capture.ort_calls import hook_calls, hook_costs_ns
from ortprobe.capture.ort_creation import hook_creation
from ortprobe.capture.patches import Patches
from ortprobe.capture.profiler_window import ProfilerWindows
from ortprobe.capture.recorder import Recorder, current_recorder, set_current_recorder
from ortprobe.capture.sessions import SessionBook
from ortprobe.capture.streams import StreamBook
from ortprobe.capture.torch_hooks import TorchHooks
from ortprobe.capture.tracebacks import hide_tracer
from ortprobe.capture.windows import Schedule
from ortprobe.errors import CaptureFailed, UsageError

DEFAULT_SETTINGS = Settings(warmup_runs=0, active_runs=20, torch_runs=20)


class Capture:
    """Records this process between `start` and `finish` into a bundle.

    Args:
        folder: the bundle, made by `start`; `NAME.ortprobe` by convention.
        target: what is traced, for the manifest.
        settings: how much is attached for how long.
        torch_profiler: attach torch's profiler at all; not under Nsight Systems, which needs the same CUPTI subscriber.
        force: replace a bundle that is already there.
    """

    def __init__(
        self,
        folder: Path,
        target: Target,
        settings: Settings = DEFAULT_SETTINGS,
        *,
        torch_profiler: bool = True,
        force: bool = False,
    ) -> None:
        self.folder = folder
        self._target = target
        self._settings = settings
        self._wants_profiler = torch_profiler
        self._force = force
        self._patches = Patches()
        self._recorder: Recorder | None = None
        self._profiler: ProfilerWindows | None = None
        self._writer: BundleWriter | None = None

    def start(self) -> None:
        """Make the bundle and put the hooks in.

        Raises:
            UsageError: another capture is under way in this process, or the bundle can't be written.
            OutputExists: the bundle is already there.
            CaptureFailed: onnxruntime is not installed.
        """
        if current_recorder() is not None:
            raise UsageError("a capture is already under way in this process; finish it before starting another")
        descriptors = open_descriptors()
        torch, onnxruntime = import_libraries()
        manifest = Manifest(
            ortprobe=__version__,
            target=self._target,
            process=os.getpid(),
            environment=describe_environment(torch, onnxruntime),
            settings=self._settings,
            clock=clock_anchor(),
        )
        self._writer = BundleWriter(self.folder, manifest, force=self._force)
        self._recorder = recorder = self._make_recorder(self._writer, torch)
        set_current_recorder(recorder)
        try:
            hide_tracer(self._patches)
            keep_descriptors(self._patches, recorder.folder, descriptors)
            self._install(recorder, torch)
        except BaseException:
            self.finish(exit_code=1, exception="the hooks could not be installed")
            raise

    def finish(self, exit_code: int = 0, exception: str = "") -> None:
        """Take the hooks out and complete the bundle. Does nothing in a forked child and the second time."""
        recorder, writer = self._recorder, self._writer
        if recorder is None or writer is None or current_recorder() is not recorder:
            return
        self._recorder = None
        clock = clock_anchor()
        with suppress(Exception):
            self._patches.restore()
        for step in (recorder.schedule.finish, recorder.sessions.finish):
            try:
                step()
            except Exception as error:
                recorder.log.lost("ending", error)
        cost_ns = self._measure_hook_cost(recorder, writer.manifest)
        recorder.log.enabled = False
        set_current_recorder(None)
        replace = msgspec.structs.replace
        environment = replace(writer.manifest.environment, devices=describe_devices(recorder.torch))
        ending = Ending(clock=clock, exit_code=exit_code, exception=exception)
        writer.close(replace(writer.manifest, environment=environment, ending=ending, hook_cost_ns=cost_ns))

    def __enter__(self) -> Capture:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.finish(exit_code=1 if exc else 0, exception=one_line(exc) if exc else "")

    def _make_recorder(self, writer: BundleWriter, torch: ModuleType | None) -> Recorder:
        log = HookLog(writer)
        folder = self.folder.resolve()
        sessions = SessionBook(log, folder)
        if torch is None:
            log.lost("torch", "torch can't be imported: no device timeline, no copies")
        elif self._wants_profiler:
            self._profiler = ProfilerWindows(log, folder, torch)
        schedule = Schedule(self._settings, sessions, self._profiler)
        return Recorder(log, folder, sessions, StreamBook(log), schedule, torch)

    def _install(self, recorder: Recorder, torch: ModuleType | None) -> None:
        from onnxruntime.capi import onnxruntime_inference_collection as collection

        hook_creation(self._patches, recorder, collection.InferenceSession)
        hook_calls(self._patches, recorder, collection)
        if self._profiler is not None:
            self._profiler.make_way(self._patches)
        if torch is not None:
            try:
                TorchHooks(recorder, torch).install(self._patches)
            except Exception as error:
                recorder.log.lost("torch_hooks", error)

    def _measure_hook_cost(self, recorder: Recorder, manifest: Manifest) -> int | None:
        """What a hooked run costs more than a bare one, on a session that does nothing and a log of its own."""
        try:
            with tempfile.TemporaryDirectory(prefix="ortprobe-") as scratch:
                writer = BundleWriter(Path(scratch) / "cost.ortprobe", manifest)
                try:
                    return int(median(hook_costs_ns(_bare_recorder(writer, recorder.torch))))
                finally:
                    writer.close(manifest)
        except Exception as error:
            recorder.log.lost("hook_cost", error)
            return None


def _bare_recorder(writer: BundleWriter, torch: ModuleType | None) -> Recorder:
    """A recorder with nothing attached, as runs behind the windows have it."""
    log = HookLog(writer)
    sessions = SessionBook(log, writer.folder)
    return Recorder(log, writer.folder, sessions, StreamBook(log), Schedule(Settings(), sessions, None), torch)


def import_libraries() -> tuple[ModuleType | None, ModuleType]:
    """torch, when it is installed, and onnxruntime.

    torch goes first: it loads the CUDA libraries that onnxruntime-gpu then finds in the process.
    """
    torch: ModuleType | None = None
    with suppress(Exception):  # not installed, or not able to load: the program will see for itself
        torch = import_module("torch")
    try:
        import onnxruntime
    except ImportError as error:
        raise CaptureFailed(
            f"onnxruntime can't be imported ({error}); install onnxruntime-gpu, or onnxruntime for the CPU"
        ) from error
    return torch, onnxruntime


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

    Torch's profiler follows the thread that enters the block. An exception goes on to the caller, with the bundle
    complete. `ortprobe report out/trace.ortprobe` makes the report.

    Raises:
        UsageError, OutputExists, CaptureFailed: before the block is entered; see `Capture.start`.
    """
    folder = Path(out) / f"{name}.ortprobe"
    target = Target(kind="code", name=name)
    with Capture(folder, target, settings, torch_profiler=torch_profiler, force=force) as capture:
        yield capture
