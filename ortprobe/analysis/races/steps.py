"""What a program did that orders its work, or touches memory, one step after the other: what `check_order` takes.

Streams, threads, events and tokens are numbers of the program, each kind from 0. Memory is cut into numbered cells,
such that each access touches whole ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Certainty(IntEnum):
    """How surely one thing happens before another. What holds at one level holds at all greater ones."""

    STRICT = 0
    """By what CUDA, Python or the hand-over documents."""
    SOFT = 1
    """Also by what CUDA does and does not promise: waits in `cudaMalloc` and `cudaFree`, copies that return late."""
    OPTIMISTIC = 2
    """Also by what may have been: a wait for something unknown waits for all that was enqueued, a query says yes, a
    stream of unknown flags is a blocking one, and threads see what others did before."""


LEVELS = len(Certainty)


@dataclass(frozen=True, slots=True)
class Touch:
    """Reads or writes the cells from `first` up to `past`."""

    access: int
    """The caller's number of it: what a `Pair` names. Several touches can be of one access."""
    first: int
    past: int
    writes: bool
    is_checked: bool = True
    """Whether what it needs to be behind is looked for. A second touch that says that an access goes on is not."""


@dataclass(frozen=True, slots=True)
class Work:
    """Enqueues a kernel, a copy, a fill or a whole graph, and what that touches when it runs."""

    thread: int
    stream: int
    touches: tuple[Touch, ...] = ()


@dataclass(frozen=True, slots=True)
class HostAccess:
    """The thread itself reads or writes memory."""

    thread: int
    touches: tuple[Touch, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """Enqueues an event behind what is on a stream. Recorded again it is that of the last time."""

    thread: int | None
    stream: int
    event: int


@dataclass(frozen=True, slots=True)
class StreamWait:
    """Has a stream wait for an event. One that nobody recorded holds nothing back."""

    thread: int | None
    """None: nobody knows which."""
    stream: int | None
    """None: nobody knows which waits."""
    event: int | None
    """None: nobody knows for which."""


@dataclass(frozen=True, slots=True)
class EventSync:
    """The thread waits for an event, or asked and was told that it is done."""

    thread: int | None
    event: int | None
    certainty: Certainty = Certainty.STRICT


@dataclass(frozen=True, slots=True)
class StreamSync:
    """The thread waits for all that is on a stream."""

    thread: int | None
    stream: int | None
    certainty: Certainty = Certainty.STRICT


@dataclass(frozen=True, slots=True)
class DeviceSync:
    """The thread waits for all streams of a device."""

    thread: int | None
    device: int | None
    certainty: Certainty = Certainty.STRICT


@dataclass(frozen=True, slots=True)
class Give:
    """What the thread did before happens before all that is done after a `Take` of the token, if that comes later."""

    thread: int
    token: int


@dataclass(frozen=True, slots=True)
class Take:
    """The other side of `Give`. Without one it orders nothing."""

    thread: int
    token: int


Step = Work | HostAccess | Record | StreamWait | EventSync | StreamSync | DeviceSync | Give | Take


@dataclass(frozen=True, slots=True)
class Stream:
    """What is known of a stream."""

    device: int = 0
    is_blocking: bool | None = False
    """Whether it orders itself with the legacy default stream of its device; None when nobody knows."""
    is_legacy: bool = False
    """Whether it is that stream."""


@dataclass(frozen=True, slots=True)
class Program:
    """Steps in the order in which they were made: per thread as the thread made them, and calls of several threads in
    the order of their beginnings."""

    streams: Sequence[Stream]
    threads: int
    steps: Sequence[Step]
