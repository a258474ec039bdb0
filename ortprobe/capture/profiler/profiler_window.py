"""torch's profiler around a stretch of the traced program: what the GPU did, whoever asked for it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from time import time_ns
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ortprobe.bundle import Window
from ortprobe.capture.compression import compress
from ortprobe.capture.hook_log import HookLog, one_line
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.profiler import cupti
from ortprobe.capture.profiler.accesses import bound_accesses
from ortprobe.capture.profiler.bound_ranges import BoundRanges
from ortprobe.capture.profiler.cuda_graphs import CudaGraphs

if TYPE_CHECKING:
    from torch._C._profiler import _ExperimentalConfig
    from torch.autograd.profiler import profile

_KINETO_CONFIG = "ACTIVITIES_MAX_GPU_BUFFER_SIZE_MB=1024\n"
_MOST_OPERATIONS = 200_000
"""Looking at each for bound memory takes 10 to 15 µs, while the program waits."""
_NO_MESSAGES = "6"
_DISK_RESERVE_BYTES = 500_000_000
"""A window's trace is some hundred MB at most; the program may need the rest of the disk."""


class ProfilerWindows:
    """Opens and closes torch's profiler; each stretch is a `Window` record and a file `torch-<k>.json`.

    Each trace is exported as its window closes: once another window has opened, Kineto converts the times of the
    earlier one to nonsense (every kernel at the same instant: torch 2.11 with CUDA 13, on an H100). They are compressed
    when the capture ends, since that takes longer than writing them.

    From torch 2.7 on the profiler can watch all threads (`profile_all_threads`), and any thread may open or close it.
    Before, its state is thread-local: it watches the thread that made this object, which alone opens and closes it.
    """

    def __init__(
        self,
        log: HookLog,
        folder: Path,
        torch: ModuleType,
        bound: BoundRanges | None = None,
        graphs: CudaGraphs | None = None,
    ) -> None:
        self.is_open = False
        self.opened = 0
        self._log = log
        self._folder = folder
        self._torch = torch
        self._bound = bound
        self._graphs = graphs
        self._is_detached = False
        self._has_gpu = torch.cuda.device_count() > 0  # asks NVML, and so makes no CUDA context
        self._config, self.closes_from_any_thread = _experimental_config(torch)
        self._thread = threading.get_ident()
        self._turn = threading.RLock()
        self._profiler: profile | None = None
        self._start_ns = self._began_monotonic_ns = 0
        self._files: list[Path] = []
        self._why_not = ""
        """Why the profiler can't be attached any more; "" while it can."""

    def make_way(self, patches: Patches) -> None:
        """Have our profiler detached whenever the program attaches one: torch allows one at a time.

        Read in torch 2.5 to 2.13: both of its profilers pass through `torch.autograd.profiler.profile._prepare_trace`.
        """

        def wrap(original: Callable[..., object]) -> Callable[..., object]:
            @wraps(original)
            def prepare_trace(prepared: object, *args: Any, **kwargs: Any) -> object:
                if self.is_open and prepared is not self._profiler:
                    self._log.lost("torch_profiler", "the program attached a profiler of its own, and torch allows one")
                    self.close()
                return original(prepared, *args, **kwargs)

            return prepare_trace

        if not patches.replace(self._torch.autograd.profiler.profile, "_prepare_trace", wrap):
            self._why_not = "this torch does not say when the program attaches a profiler of its own"

    def open(self) -> None:
        """Attach the profiler unless it is attached. What prevents it is written down once and not tried again.

        While one thread attaches it, which takes seconds the first time, the others go on without.
        """
        if self.is_open or not self._turn.acquire(blocking=False):
            return
        try:
            if self.is_open or not self._may_open():
                return
            begin_ns, self._began_monotonic_ns = time_ns(), self._log.anchor()
            try:
                self._profiler = self._start()
            except Exception as error:
                self._why_not = one_line(error)
                self._log.lost("torch_profiler", error)
                return
            self.opened += 1
            self._start_ns = time_ns()
            self._log.window(is_open=True)
            self.is_open = True
            self._log.call("ortprobe.profiler_start", begin_ns, self._start_ns)
        finally:
            self._turn.release()

    @property
    def has_given_up(self) -> bool:
        """Whether no window will open any more."""
        return bool(self._why_not) or self._log.is_full

    @property
    def can_close(self) -> bool:
        """Whether this thread can open and close windows."""
        return self.closes_from_any_thread or threading.get_ident() == self._thread

    def close(self) -> None:
        """Stop the profiler and write its trace; does nothing where it is not attached, or by a thread that can't."""
        if not self.can_close:
            return
        with self._turn:
            profiler, self._profiler = self._profiler, None
            if profiler is None:
                return
            self.is_open = False
            begin_ns = time_ns()
            try:
                self._stop(profiler, begin_ns)
            except Exception as error:
                self._why_not = one_line(error)
                self._log.lost("torch_trace", error)
            self._log.call("ortprobe.profiler_stop", begin_ns, time_ns())
            self._log.window(is_open=False)

    def detach(self) -> None:
        """Have Kineto detach CUPTI after a window, unless that might break a CUDA graph.

        Attached it goes on costing each CUDA call: on an H100 ResNet-50 took 2.75 ms a run after a window in place of
        2.09 ms, and 2.09 ms once CUPTI was detached. Kineto does so when a profiler stops and its environment says so,
        for which an empty window serves: by then the last one has shown whether graphs are launched.
        """
        if not self._has_gpu or self._graphs is None or not self._files:
            return
        begin_ns = time_ns()
        with self._turn:
            try:
                self._graphs.note_trace(self._files[-1])
                if reason := self._graphs.may_exist():
                    why = f"{reason}: CUPTI stays attached, and runs after a window are slower than without it"
                    self._log.lost("cupti_stays", why)
                    return
                profiler = self._begin()
                with _settings_of_kineto(self._folder, TEARDOWN_CUPTI="1"):
                    profiler.__exit__(None, None, None)
                self._is_detached = True
            except Exception as error:
                self._log.lost("cupti_stays", error)
        self._log.call("ortprobe.profiler_detach", begin_ns, time_ns())

    def finish(self) -> None:
        """Close the last window and compress the traces."""
        self.close()
        for path in self._files:
            try:
                compress(path)
            except OSError as error:
                self._log.lost("torch_trace_compression", error)

    def abandon(self, folder: Path) -> None:
        """In a forked child: the profiler is the parent's, and CUPTI does not work where its parent has used it."""
        self._folder = folder
        self._turn = threading.RLock()
        self.is_open = False
        self._profiler = None
        self._files = []
        if self.opened:
            self._why_not = "the parent has used CUPTI, which then does not work in a forked child"

    def _may_open(self) -> bool:
        if self._log.is_full:
            return False
        if self._why_not:
            why = self._why_not
        elif not self.can_close:
            why = "this torch's profiler can only be attached by the thread that imported torch"
        elif self._torch.autograd._profiler_enabled():
            why = "the program has a profiler of its own attached, and torch allows one"
        elif self._is_detached and self._graphs is not None and (reason := self._graphs.may_exist()):
            why = f"{reason}, and CUPTI can't be attached a second time beside them"
        elif shutil.disk_usage(self._folder).free < _DISK_RESERVE_BYTES:
            why = f"less than {_DISK_RESERVE_BYTES / 1e6:.0f} MB of disk are free"
        else:
            return True
        self._log.lost("torch_profiler", why)
        return False

    def _begin(self) -> profile:
        """`torch.profiler.profile` is this with schedules, and imports `torch._inductor` for a second when it starts.

        Shapes and memory are recorded for the sake of the addresses of tensors, which the tree of events then has.
        """
        profiler: profile = self._torch.autograd.profiler.profile(
            use_kineto=True,
            use_device="cuda" if self._has_gpu else None,
            record_shapes=True,
            profile_memory=True,
            experimental_config=self._config,
        )
        with _settings_of_kineto(self._folder):
            profiler.__enter__()
        return profiler

    def _start(self) -> profile:
        profiler = self._begin()
        if self._has_gpu:
            cupti.dropped_records()  # what was dropped while CUPTI was detached is nobody's loss
            if problem := cupti.record_event_identity(enable=True):
                self._log.lost("cuda_event_identity", problem)
        return profiler

    def _stop(self, profiler: profile, begin_ns: int) -> None:
        if self._has_gpu:
            cupti.record_event_identity(enable=False)
        with _settings_of_kineto(self._folder):
            profiler.__exit__(None, None, None)
        path = self._folder / f"torch-{self.opened - 1}.json"
        profiler.export_chrome_trace(str(path))
        self._files.append(path)
        self._log.append(
            Window(
                start_ns=self._start_ns,
                end_ns=begin_ns,
                file=path.name,
                began_monotonic_ns=self._began_monotonic_ns,
            )
        )
        self._log.stored(path.stat().st_size)
        self._log_accesses(profiler)
        if self._has_gpu and (dropped := cupti.dropped_records()):
            self._log.lost("cupti_records", f"CUPTI dropped {dropped:,} records for want of buffers")

    def _log_accesses(self, profiler: profile) -> None:
        """Which operations touched bound memory, while the profiler still has its tree of events."""
        ranges = self._bound.ranges() if self._bound is not None else None
        if not ranges:
            return
        try:
            tree = profiler.kineto_results.experimental_event_tree()
            if len(tree) > _MOST_OPERATIONS:
                self._log.lost("accesses", f"more than {_MOST_OPERATIONS:,} operations of torch in one window")
                return
            for access in bound_accesses(tree, ranges):
                self._log.append(access)
        except Exception as error:
            self._log.lost("accesses", error)


def _experimental_config(torch: ModuleType) -> tuple[_ExperimentalConfig, bool]:
    """Sync events on, and all threads watched where this torch can; whether it can."""
    config: type[_ExperimentalConfig] = torch._C._profiler._ExperimentalConfig
    try:
        return config(enable_cuda_sync_events=True, profile_all_threads=True), True
    except TypeError:
        return config(enable_cuda_sync_events=True), False


@contextmanager
def _settings_of_kineto(folder: Path, **more: str) -> Iterator[None]:
    """What Kineto is to find in its environment, which it reads whenever a profiler starts or stops.

    1 GiB of room for GPU records rather than 128 MiB (`KINETO_CONFIG` names a file), and no messages: level 6 leaves
    none, and below it the program's stderr is told of each start. Settings the program has made itself are left to it.
    """
    path = folder / "kineto.conf"
    ours = {"KINETO_CONFIG": str(path), "KINETO_LOG_LEVEL": _NO_MESSAGES, **more}
    added = [name for name in ours if name not in os.environ]
    path.write_text(_KINETO_CONFIG)
    os.environ.update({name: ours[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
        with suppress(OSError):
            path.unlink()
