"""Who waited for whom, how long that really stalled them, and what it was needed for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.waits.made_waits import WAITING_CALLS, MadeWaits, Streams, made_waits
from ortprobe.analysis.waits.needs import NEEDS, NOT_NEEDED, Need, needs_of
from ortprobe.analysis.waits.outstanding import HostWaits, StreamWaits, host_waits, stream_waits
from ortprobe.analysis.waits.roles import ROLES, WaitRole, roles_of
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Ragged, Timeline, UInt8s

__all__ = [
    "NEEDS", "NOT_NEEDED", "ROLES", "WAITERS", "WAITING_CALLS", "Need", "Wait", "WaitRole", "WaitTimes", "Waiter",
    "compute_waits",
]  # fmt: skip


class Waiter(StrEnum):
    HOST = "host"
    """A thread that a call blocks."""
    STREAM = "stream"
    """A stream that was told to wait for an event."""


WAITERS = tuple(Waiter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One wait: a host call that blocks until device work is done, or a stream told to wait for an event."""

    span: int
    """The WAIT span, or the CUDA call where the trace holds no synchronisation records."""
    call: int
    """The CUDA call; NONE for a wait that no recorded call made."""
    name: str
    """`cudaStreamSynchronize`, `cudaStreamWaitEvent`, `cudaMemcpy` …"""
    waiter: Waiter
    waiter_lane: int
    """Index in `Timeline.lanes` of the thread or stream that waits; NONE when that is not recorded."""
    device: int
    waited_streams: tuple[int, ...]
    """CUPTI ids of the streams waited for; empty when unresolved or when nothing was outstanding."""
    start_ns: int
    end_ns: int
    stall_ns: int | None
    """As in `WaitTimes`; None when the trace does not resolve what was waited for."""
    work: int
    """The last device work that was waited for (a span); NONE when there was none or it is unresolved."""
    held: int
    """The first device work behind a stream's wait (a span); NONE for host waits and when nothing follows."""
    run: int
    """Row in `Timeline.runs`; NONE outside runs."""
    role: WaitRole
    need: Need


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTimes:
    """All waits in time order. Columns have one entry for each, but for `waited`; a capture can hold 100,000."""

    timeline: Timeline
    """What the indices point into."""
    span: Int32s
    """The WAIT span, or the CUDA call where the trace holds no synchronisation records."""
    call: Int32s
    """The CUDA call; NONE for a wait that no recorded call made."""
    name: Int32s
    """Index in `Timeline.names`: of the call, or of the record without one."""
    waiter: UInt8s
    """Position in `WAITERS`."""
    waiter_lane: Int32s
    """Index in `Timeline.lanes` of the thread or stream that waits; NONE when that is not recorded."""
    device: Int32s
    """CUDA device number of what is waited for; NONE when the trace does not say."""
    start_ns: Int64s
    end_ns: Int64s
    """Of the call; a stream's wait returns at once."""
    stall_ns: Int64s
    """Host: how much of the call overlapped with work it waited for; what the call took to return after that is not in
    it. Stream: how long work that was already launched was held back. NONE when the trace does not resolve what was
    waited for."""
    waited: Ragged
    """Of each wait the streams waited for, as indices in `Timeline.lanes`: those that a wait of the host found
    unfinished, or that of the event. Empty when unresolved, or when nothing was there to wait for."""
    work: Int32s
    """The last device work that was waited for (a span); NONE when there was none or it is unresolved."""
    held: Int32s
    """The first device work behind a stream's wait (a span); NONE for host waits and when nothing follows."""
    run: Int32s
    """Row in `Timeline.runs`; NONE outside runs."""
    role: UInt8s
    """Position in `ROLES`."""
    need: UInt8s
    """Position in `NEEDS`."""

    def __len__(self) -> int:
        return len(self.span)

    @property
    def by_host(self) -> Bools:
        """For each, whether a thread of the host waits; otherwise a stream does."""
        return np.asarray(self.waiter == WAITERS.index(Waiter.HOST))

    @property
    def unresolved(self) -> int:
        """How many don't say what they waited for."""
        return int((self.stall_ns == NONE).sum())

    def wait(self, row: int) -> Wait:
        """One wait as an object."""
        lanes = self.timeline.lanes
        stall_ns = int(self.stall_ns[row])
        return Wait(
            span=int(self.span[row]),
            call=int(self.call[row]),
            name=self.timeline.names[self.name[row]],
            waiter=WAITERS[self.waiter[row]],
            waiter_lane=int(self.waiter_lane[row]),
            device=int(self.device[row]),
            waited_streams=tuple(lanes[lane].stream for lane in self.waited[row].tolist()),
            start_ns=int(self.start_ns[row]),
            end_ns=int(self.end_ns[row]),
            stall_ns=None if stall_ns == NONE else stall_ns,
            work=int(self.work[row]),
            held=int(self.held[row]),
            run=int(self.run[row]),
            role=ROLES[self.role[row]],
            need=NEEDS[self.need[row]],
        )

    def rows(self) -> Iterator[Wait]:
        """Every wait as an object, in time order. For large captures prefer the columns."""
        return (self.wait(row) for row in range(len(self)))


def compute_waits(timeline: Timeline) -> WaitTimes:
    """Every wait of the host and of a stream, with what it waited for where the trace says so.

    The cost grows with the events, and with waits for a whole device times its streams.
    """
    streams = Streams.of(timeline)
    made = made_waits(timeline, streams)
    host, stream = host_waits(timeline, made, streams), stream_waits(timeline, made, streams)
    spans, timed, unfinished = timeline.spans, made.timed, host.unfinished
    start_ns, end_ns = spans.start_ns[timed], spans.end_ns[timed]
    stall_ns = np.where(made.of_stream, stream.stall_ns, unfinished.stall_ns(start_ns, end_ns))
    return WaitTimes(
        timeline=timeline,
        span=made.span,
        call=made.call,
        name=spans.name[timed],
        waiter=made.of_stream.astype(np.uint8),
        waiter_lane=_waiter_lanes(timeline, made),
        device=made.device,
        start_ns=start_ns,
        end_ns=end_ns,
        stall_ns=np.where(made.is_resolved, stall_ns, NONE),
        waited=_waited(len(made), streams, host, stream),
        work=np.where(made.of_stream, stream.work, unfinished.last_work(len(made))),
        held=stream.held,
        run=timeline.links.run[timed],
        role=roles_of(timeline, made),
        need=needs_of(timeline, made, streams, host, stream),
    )


def _waiter_lanes(timeline: Timeline, made: MadeWaits) -> Int32s:
    """The thread of the call, or the stream that waits."""
    lane = np.where(made.of_stream | (made.call == NONE), NONE, timeline.spans.lane[made.timed]).astype(np.int32)
    for number, each in enumerate(timeline.lanes):
        if each.stream != NONE:
            waits = made.of_stream & (made.waiting_device == each.device) & (made.waiting_stream == each.stream)
            lane[waits] = number
    return lane


def _waited(waits: int, streams: Streams, host: HostWaits, stream: StreamWaits) -> Ragged:
    """The lanes of what each wait waited for."""
    by_event = np.flatnonzero(stream.waited != NONE)
    rows = np.concatenate((host.unfinished.wait, by_event))
    number = np.concatenate((host.unfinished.stream, stream.waited[by_event]))
    starts = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=waits))))
    return Ragged(starts=starts.astype(np.int32), rows=streams.lane[number[np.argsort(rows, kind="stable")]])
