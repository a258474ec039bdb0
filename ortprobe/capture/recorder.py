"""What the hooks of one capture share."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ortprobe.bundle import NO_STREAM, Call, SessionCreated
from ortprobe.capture.hook_log import HookLog
from ortprobe.capture.host_inputs import HostInputs
from ortprobe.capture.host_memory import HostMemory
from ortprobe.capture.pointers import PointerBook
from ortprobe.capture.profiler.bound_ranges import BoundRanges
from ortprobe.capture.served import ServedRuns
from ortprobe.capture.sessions import SessionBook
from ortprobe.capture.streams import StreamBook
from ortprobe.capture.windows import Schedule

_MOST_KEPT_CALLS = 10_000

Fields = dict[str, Any]


def _ignore(_created: SessionCreated) -> None:
    """Nobody wants to know."""


@dataclass(eq=False)
class Recorder:
    """The log, the books and the schedule that every hook of a capture writes to."""

    log: HookLog
    folder: Path
    sessions: SessionBook
    streams: StreamBook
    schedule: Schedule
    served: ServedRuns
    torch: ModuleType | None = None
    """torch once the program has imported it, or the capture has for its profiler."""
    run_numbers: itertools.count[int] = field(default_factory=itertools.count)
    in_thread: threading.local = field(default_factory=threading.local)
    kept: dict[tuple[str, int, str], Call] = field(default_factory=dict)
    """The latest call that bound each buffer, while calls are not logged one by one."""
    bound: BoundRanges = field(default_factory=BoundRanges)
    """The memory that is, or was, bound to a session."""
    pointers: PointerBook = field(default_factory=PointerBook)
    """What the raw pointers belong to that are bound."""
    host_inputs: HostInputs = field(default_factory=HostInputs)
    """What arrays of the host held when they were bound."""
    host_memory: HostMemory = field(default_factory=HostMemory)
    """Where the content of memory on the host came from."""
    session_created: Callable[[SessionCreated], None] = field(default=_ignore)
    """Called with the record of each C session that has come to life."""

    def current_stream(self, device: int | None = None) -> int:
        """Torch's current stream of this thread, noted in the book; NO_STREAM while torch has no CUDA context."""
        torch = self.torch
        if torch is None or not torch.cuda.is_initialized():
            return NO_STREAM
        index: int = torch._C._cuda_getDevice() if device is None else device
        handle: int = torch._C._cuda_getCurrentRawStream(index)
        self.streams.seen(handle, index)
        return handle

    def note(
        self, what: str, start_ns: int, end_ns: int, site: str, error: str, fields: Fields, *, keeps_state: bool
    ) -> None:
        """Log a call, or keep it in mind until a window opens."""
        if keeps_state:
            self.note_bound(fields)
        if self.log.detailed or error:
            self.log.call(what, start_ns, end_ns, site=site, error=error, **fields)
        elif keeps_state and len(self.kept) < _MOST_KEPT_CALLS:
            call = Call(what=what, start_ns=start_ns, end_ns=end_ns, thread=self.log.thread(), site=site, **fields)
            self.kept[what, call.binding, call.buffer] = call

    def note_bound(self, fields: Fields) -> None:
        """Remember which memory is bound to a session, or handed to a run."""
        for side in ("read", "write"):
            address = fields.get(f"{side}_address")
            if address:
                self.bound.add(address, fields[f"{side}_bytes"])

    def catch_up(self) -> None:
        """Log the calls that were kept in mind: a window is open."""
        kept, self.kept = self.kept, {}
        for call in kept.values():
            self.log.append(call)


_current: Recorder | None = None


def current_recorder() -> Recorder | None:
    """The recorder of the capture that is under way in this process; None without one."""
    return _current


def set_current_recorder(recorder: Recorder | None) -> None:
    global _current  # noqa: PLW0603 - one capture a process
    _current = recorder
