"""What the hooks of one capture share."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from ortprobe.bundle import NO_STREAM
from ortprobe.capture.hook_log import HookLog
from ortprobe.capture.sessions import SessionBook
from ortprobe.capture.streams import StreamBook
from ortprobe.capture.windows import Schedule


@dataclass(eq=False)
class Recorder:
    """The log, the books and the schedule that every hook of a capture writes to."""

    log: HookLog
    folder: Path
    sessions: SessionBook
    streams: StreamBook
    schedule: Schedule
    torch: ModuleType | None
    run_numbers: itertools.count[int] = field(default_factory=itertools.count)
    in_thread: threading.local = field(default_factory=threading.local)

    def current_stream(self, device: int | None = None) -> int:
        """Torch's current stream of this thread, noted in the book; NO_STREAM while torch has no CUDA context."""
        torch = self.torch
        if torch is None or not torch.cuda.is_initialized():
            return NO_STREAM
        index: int = torch._C._cuda_getDevice() if device is None else device
        handle: int = torch._C._cuda_getCurrentRawStream(index)
        self.streams.seen(handle, index)
        return handle


_current: Recorder | None = None


def current_recorder() -> Recorder | None:
    """The recorder of the capture that is under way in this process; None without one."""
    return _current


def set_current_recorder(recorder: Recorder | None) -> None:
    global _current  # noqa: PLW0603 - one capture a process
    _current = recorder


def _forget_in_child() -> None:
    """A forked child is another process: its calls don't belong into its parent's log."""
    if _current is not None:
        _current.log.enabled = False
    set_current_recorder(None)


def register_fork_guard() -> None:
    """Stop recording in forked children."""
    import os

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget_in_child)


register_fork_guard()
