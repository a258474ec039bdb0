"""torch's profiler around a stretch of the traced program: what the GPU did, whoever asked for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import time_ns
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ortprobe.bundle import Window
from ortprobe.capture.hook_log import HookLog
from ortprobe.capture.patches import Patches
from ortprobe.capture.streams import loaded_library

if TYPE_CHECKING:
    from torch._C._profiler import _ExperimentalConfig
    from torch.profiler import profile

_KINETO_CONFIG = "ACTIVITIES_MAX_GPU_BUFFER_SIZE_MB=1024\n"
_CUPTI_ACTIVITY_KIND_CUDA_EVENT = 36  # cupti_activity.h


class ProfilerWindows:
    """Opens and closes torch's profiler; each stretch is a `Window` record and a file `torch-<k>.json.gz`.

    The profiler's state is thread-local, so it is opened and closed by the thread that made this object. Each trace is
    exported as its window closes: once another window has opened, Kineto converts the times of the earlier one to
    nonsense (every kernel at the same instant: torch 2.11 with CUDA 13, on an H100).
    """

    def __init__(self, log: HookLog, folder: Path, torch: ModuleType) -> None:
        self.is_open = False
        self.opened = 0
        self._log = log
        self._folder = folder
        self._torch = torch
        self._has_gpu = torch.cuda.device_count() > 0  # asks NVML, and so makes no CUDA context
        self._thread = threading.get_ident()
        self._profiler: profile | None = None
        self._start_ns = 0
        self._written = 0
        self._failed = False
        self._configured = _raise_buffer_limit(folder)

    def make_way(self, patches: Patches) -> None:
        """Have our profiler detached whenever the program attaches one: torch allows one at a time.

        Read in torch 2.5 to 2.13: both of its profilers pass through `torch.autograd.profiler.profile._prepare_trace`.
        """

        def wrap(original: Callable[..., object]) -> Callable[..., object]:
            @wraps(original)
            def prepare_trace(prepared: object, *args: Any, **kwargs: Any) -> object:
                if self.is_open:
                    self._log.lost("torch_profiler", "the program attached a profiler of its own, and torch allows one")
                    self.close()
                return original(prepared, *args, **kwargs)

            return prepare_trace

        if not patches.replace(self._torch.autograd.profiler.profile, "_prepare_trace", wrap):
            self._failed = True
            self._log.lost("torch_profiler", "this torch does not say when the program attaches a profiler of its own")

    def open(self) -> None:
        """Attach the profiler unless it is attached. What prevents it is written down once and not tried again."""
        if self.is_open or self._failed:
            return
        if threading.get_ident() != self._thread:
            self._log.lost(
                "torch_profiler", "torch's profiler can only be attached by the thread that began the capture"
            )
            return
        if self._torch.autograd._profiler_enabled():
            self._log.lost("torch_profiler", "the program has a profiler of its own attached, and torch allows one")
            return
        begin_ns = time_ns()
        try:
            self._profiler = self._start()
        except Exception as error:
            self._failed = True
            self._log.lost("torch_profiler", error)
            return
        self.is_open = True
        self.opened += 1
        self._start_ns = time_ns()
        self._log.call("ortprobe.profiler_start", begin_ns, self._start_ns)

    def close(self) -> None:
        """Detach the profiler, when it is attached and this is the thread that attached it."""
        profiler = self._profiler
        if profiler is None or not self.is_open or threading.get_ident() != self._thread:
            return
        self.is_open = False
        begin_ns = time_ns()
        name = f"torch-{self._written}.json.gz"
        self._profiler = None
        try:
            self._record_event_identity(enable=False)
            profiler.stop()
            profiler.export_chrome_trace(str(self._folder / name))
        except Exception as error:
            self._failed = True
            self._log.lost("torch_trace", error)
        else:
            self._written += 1
            self._log.append(Window(start_ns=self._start_ns, end_ns=begin_ns, file=name))
        self._log.call("ortprobe.profiler_stop", begin_ns, time_ns())

    def finish(self) -> None:
        """Close the last window and leave the environment as it was."""
        self.close()
        if self._configured:
            os.environ.pop("KINETO_CONFIG", None)

    def _start(self) -> profile:
        profiling = self._torch.profiler
        activities = [profiling.ProfilerActivity.CPU]
        if self._has_gpu:
            activities.append(profiling.ProfilerActivity.CUDA)
        config = self._experimental_config()
        profiler = profiling.profile(activities=activities, experimental_config=config, acc_events=True)
        profiler.start()
        self._record_event_identity(enable=True)
        return profiler

    def _experimental_config(self) -> _ExperimentalConfig:
        """`trace_only` (torch 2.13) spares the program a Python object for each event when a window closes."""
        config: type[_ExperimentalConfig] = self._torch._C._profiler._ExperimentalConfig
        try:
            return config(enable_cuda_sync_events=True, trace_only=True)
        except TypeError:
            return config(enable_cuda_sync_events=True)

    def _record_event_identity(self, *, enable: bool) -> None:
        """Have CUPTI say which event a wait waits for.

        From CUPTI 12.9 on the kind CUDA_EVENT has to be enabled by itself, which Kineto does not do (kineto #1552):
        without it every `wait_on_*` field of the trace is −1.
        """
        if not self._has_gpu:
            return
        cupti = loaded_library("libcupti.so")
        if cupti is None:
            self._log.lost("cuda_event_identity", "torch has loaded no libcupti")
            return
        call = cupti.cuptiActivityEnable if enable else cupti.cuptiActivityDisable
        status = call(_CUPTI_ACTIVITY_KIND_CUDA_EVENT)
        if enable and status:
            self._log.lost("cuda_event_identity", f"cuptiActivityEnable(CUDA_EVENT) failed with CUPTI error {status}")


def _raise_buffer_limit(folder: Path) -> bool:
    """Let Kineto keep 1 GiB of GPU records rather than 128 MiB; it reads this when the profiler first starts."""
    if "KINETO_CONFIG" in os.environ:
        return False
    path = folder / "kineto.conf"
    path.write_text(_KINETO_CONFIG)
    os.environ["KINETO_CONFIG"] = str(path)
    return True
