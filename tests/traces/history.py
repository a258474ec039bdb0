"""What happened when a program ran: every call and every piece of device work, with exact times and true origins.

Times are ns since the start of the process. Objects refer to each other by their positions in the lists of `History`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from traces.program import HostWait, Node, Program, WorkKind

NOTHING = -1
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A CUDA runtime call."""

    name: str
    start_ns: int
    end_ns: int
    thread: int
    correlation: int
    external: int
    """Number of the innermost torch op around it."""
    execution: int
    """The innermost node execution around it."""
    run: int
    is_written: bool = True
    """False for a driver function that Kineto does not write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A kernel, copy or fill."""

    kind: WorkKind
    name: str
    ready_ns: int
    """When the launch reached the device."""
    start_ns: int
    end_ns: int
    stream: int
    call: int
    blocks: int
    size_bytes: int
    graph: int
    ordered_after: int
    """Bit i is set when documented synchronisation puts work i before this one, in any schedule."""
    captured_in: str = ""
    """For a replayed graph of a session: the name of the node that the kernel was captured in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What CUPTI records of itself, or of CUDA loading code, while a call lasts."""

    name: str
    start_ns: int
    end_ns: int
    call: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecorded:
    event: int
    stream: int
    call: int
    at_ns: int
    """When the device came to the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWaited:
    """A stream was told to wait for an event."""

    stream: int
    event: int
    call: int
    record: int
    """The `EventRecorded` that it waits for; NOTHING when the event was never recorded."""
    held: int
    """The first work behind the wait; NOTHING when none came."""
    stall_ns: int
    """How long that work was launched, and its stream free of earlier work, while the event was not yet done: above 0
    the wait really stalled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWaited:
    """A call that returned when device work was done."""

    kind: HostWait
    of: int
    call: int
    record: int
    stall_ns: int
    """How long work that it waited for was still outstanding."""
    device: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """A torch op."""

    name: str
    start_ns: int
    end_ns: int
    thread: int
    external: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution of a node, on the host."""

    node: Node
    index: int
    """ORT's number of the node in its graph."""
    session: int
    run: int
    start_ns: int
    end_ns: int
    thread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """One `SequentialExecutor::Execute`, of the graph or of a subgraph."""

    run: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMade:
    session: int
    thread: int
    start_ns: int
    """Of the Python call."""
    end_ns: int
    model_run: Interval
    is_replay: bool
    branch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMade:
    owner: int
    replaces: int
    thread: int
    start_ns: int
    end_ns: int
    load: Interval
    initialize: Interval
    profiling_start_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryThread:
    native_id: int
    ident_low32: int
    """Low 32 bits of the pthread id, by which CUPTI knows the thread."""


@dataclass(slots=True, kw_only=True)
class History:
    program: Program
    threads: list[HistoryThread] = field(default_factory=list, repr=False)
    calls: list[Call] = field(default_factory=list, repr=False)
    works: list[Work] = field(default_factory=list, repr=False)
    overheads: list[Overhead] = field(default_factory=list, repr=False)
    records: list[EventRecorded] = field(default_factory=list, repr=False)
    stream_waits: list[StreamWaited] = field(default_factory=list, repr=False)
    host_waits: list[HostWaited] = field(default_factory=list, repr=False)
    ops: list[Op] = field(default_factory=list, repr=False)
    executions: list[Execution] = field(default_factory=list, repr=False)
    executed: list[Executed] = field(default_factory=list, repr=False)
    runs: list[RunMade] = field(default_factory=list, repr=False)
    sessions: list[SessionMade] = field(default_factory=list, repr=False)
    profiling_end_ns: dict[int, int] = field(default_factory=dict, repr=False)
    """When `end_profiling` was called, for the sessions where it was."""
    end_ns: int = 0

    def busy(self, stream: int) -> list[Interval]:
        """When a stream (index in `Program.streams`) had work running: sorted, disjoint, not touching."""
        return merged((work.start_ns, work.end_ns) for work in self.works if work.stream == stream)

    def device_busy(self, device: int) -> list[Interval]:
        """When any stream of a device had work running: sorted, disjoint, not touching."""
        streams = self.program.streams
        return merged(
            (work.start_ns, work.end_ns) for work in self.works if streams[work.stream].device == device
        )  # fmt: skip

    def is_ordered(self, earlier: int, later: int) -> bool:
        """Whether documented synchronisation, and not this schedule alone, puts one work before another."""
        return bool(self.works[later].ordered_after >> earlier & 1)

    def quiet_ns(self) -> list[int]:
        """Moments at which nothing was under way, neither on a host thread nor on a device: in the middle of each pause
        of at least 2 µs, and before and after everything."""
        hosts = (*self.calls, *self.ops, *self.runs, *self.sessions)
        spans = [(one.start_ns, one.end_ns) for one in hosts]
        spans += [(self.calls[work.call].start_ns, work.end_ns) for work in self.works]
        edges = [(-20_000, -10_000), *merged(spans), (self.end_ns + 10_000, self.end_ns + 20_000)]
        pauses = [(end, start) for (_, end), (start, _) in pairwise(edges)]
        return [(begin + end) // 2 for begin, end in pauses if end - begin >= 2_000]


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The union of intervals, sorted and disjoint."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif end > start:
            found.append((start, end))
    return found
