"""What was outstanding when somebody waited, and how long that held them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.device_work import StreamWork
from ortprobe.analysis.waits.made_waits import (
    MadeWaits,
    Streams,
    names_of_copies_from_pinned,
    names_of_copies_to_host,
)
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline, WaitKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """For each wait of the host and each stream that it found unfinished work on, one row; by wait, then by stream."""

    wait: Int64s
    """Row of the wait."""
    stream: Int32s
    """Position in `Streams.keys`."""
    end_ns: Int64s
    """End of the last work waited for on that stream."""
    work: Int32s
    """That work, a span."""
    count: Int64s
    """How many pieces of that stream's work were waited for: the first so many."""

    def stall_ns(self, start_ns: Int64s, end_ns: Int64s) -> Int64s:
        """For each wait how much of it overlapped with work that it waited for."""
        until_ns = start_ns.copy()
        np.maximum.at(until_ns, self.wait, self.end_ns)
        return np.minimum(until_ns, end_ns) - start_ns

    def last_work(self, waits: int) -> Int32s:
        """For each wait the last-ending work that it waited for; NONE where all had ended."""
        found = np.full(waits, NONE, np.int32)
        order = np.lexsort((self.work, self.end_ns))
        found[self.wait[order]] = self.work[order]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWaits:
    """What the waits of the host found."""

    unfinished: Unfinished
    brings_data: Bools
    """For each wait, whether a copy to the host was among what it waited for, and no wait that had returned before it
    began had waited for that copy."""
    frees_memory: Bools
    """The same of copies that read pinned memory of the host."""


def host_waits(timeline: Timeline, made: MadeWaits, streams: Streams) -> HostWaits:
    """Look up each resolved wait of the host, stream by stream."""
    start_ns, end_ns = timeline.spans.start_ns[made.timed], timeline.spans.end_ns[made.timed]
    to_host, from_host = names_of_copies_to_host(timeline), names_of_copies_from_pinned(timeline)
    brings_data, frees_memory = np.zeros(len(made), np.bool_), np.zeros(len(made), np.bool_)
    parts = []
    for number, (rows, work) in enumerate(_waits_for_each(made, streams)):
        before = np.where(
            made.up_to[rows] == NONE,
            np.searchsorted(work.launch_ns, start_ns[rows], side="left"),
            np.searchsorted(work.correlation, made.up_to[rows], side="left"),
        )
        known = np.minimum(_known_before(before, start_ns[rows], end_ns[rows]), before)
        brings_data[rows] |= _any_copy(timeline, work, to_host, known, before)
        frees_memory[rows] |= _any_copy(timeline, work, from_host, known, before)
        late = (before > 0) & (work.reach_ns[before - 1] > start_ns[rows])
        last, stream = before[late] - 1, np.full(late.sum(), number, np.int32)
        parts.append((rows[late], stream, work.reach_ns[last], work.span[work.last[last]], before[late]))
    return HostWaits(unfinished=_joined(parts), brings_data=brings_data, frees_memory=frees_memory)


def _waits_for_each(made: MadeWaits, streams: Streams) -> Iterator[tuple[Int64s, StreamWork]]:
    """For each stream the resolved waits of the host for it, or for its whole device."""
    known = made.is_resolved & ~made.of_stream
    of_device = made.kind == WaitKind.DEVICE_SYNC
    for (device, stream), work in zip(streams.keys, streams.work, strict=True):
        here = (made.device == device) & np.where(of_device, made.process == work.process, made.stream == stream)
        yield np.flatnonzero(known & here), work


def _any_copy(timeline: Timeline, work: StreamWork, names: Bools, first: Int64s, past: Int64s) -> Bools:
    """Whether copies of these names are among the work from one position up to another."""
    spans = timeline.spans
    is_copy = (spans.kind[work.span] == Kind.MEMCPY) & names[spans.name[work.span]]
    copies = np.concatenate(([0], np.cumsum(is_copy)))
    return np.asarray(copies[past] > copies[first], np.bool_)


def _known_before(count: Int64s, start_ns: Int64s, end_ns: Int64s) -> Int64s:
    """For each wait how many pieces of the stream's work were waited for by one that had returned before it began."""
    order = np.argsort(end_ns, kind="stable")
    most = np.concatenate(([0], np.maximum.accumulate(count[order])))
    return np.asarray(most[np.searchsorted(end_ns[order], start_ns, side="right")], np.int64)


def _joined(parts: list[tuple[Int64s, Int32s, Int64s, Int32s, Int64s]]) -> Unfinished:
    no_rows, no_spans = np.zeros(0, np.int64), np.zeros(0, np.int32)
    empty = (no_rows, no_spans, no_rows, no_spans, no_rows)
    wait, stream, end_ns, work, count = (np.concatenate(columns) for columns in zip(empty, *parts, strict=True))
    order = np.lexsort((stream, wait))
    return Unfinished(
        wait=wait[order], stream=stream[order], end_ns=end_ns[order], work=work[order], count=count[order]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWaits:
    """What the waits of streams found: one entry for each wait, the host's included, which have nothing here."""

    waited: Int32s
    """Position in `Streams.keys` of the stream waited for; NONE where nothing on it was in front of the event."""
    in_front: Int64s
    """How many pieces of that stream's work were in front of the event."""
    work: Int32s
    """Last work in front of the event, a span; NONE where there was none."""
    held: Int32s
    """First work behind the wait, a span; NONE where nothing follows."""
    ready_ns: Int64s
    """When the stream was free and that work launched; NONE where nothing follows."""
    until_ns: Int64s
    """When the last work in front of the event had ended; NONE where there was none."""
    stall_ns: Int64s
    """From `ready_ns` on until the work waited for had ended, or the held work began; 0 where either is missing."""


def stream_waits(timeline: Timeline, made: MadeWaits, streams: Streams) -> StreamWaits:
    """Look up each resolved wait of a stream: what was in front of the event, and what is behind the wait."""
    known = made.is_resolved & made.of_stream
    found = StreamWaits(
        waited=np.full(len(made), NONE, np.int32),
        in_front=np.zeros(len(made), np.int64),
        work=np.full(len(made), NONE, np.int32),
        held=np.full(len(made), NONE, np.int32),
        ready_ns=np.full(len(made), NONE, np.int64),
        until_ns=np.full(len(made), NONE, np.int64),
        stall_ns=np.zeros(len(made), np.int64),
    )
    for number, ((device, stream), work) in enumerate(zip(streams.keys, streams.work, strict=True)):
        here = known & (made.device == device)
        _look_in_front(made, np.flatnonzero(here & (made.stream == stream)), number, work, found)
    for (device, stream), work in zip(streams.keys, streams.work, strict=True):
        here = known & (made.waiting_device == device) & (made.waiting_stream == stream)
        _look_behind(timeline, made, np.flatnonzero(here), work, found)
    return found


def _look_in_front(made: MadeWaits, rows: Int64s, number: int, work: StreamWork, found: StreamWaits) -> None:
    before = np.searchsorted(work.correlation, made.up_to[rows], side="left")
    rows, last = rows[before > 0], before[before > 0] - 1
    found.waited[rows] = number
    found.in_front[rows] = last + 1
    found.work[rows] = work.span[work.last[last]]
    found.until_ns[rows] = work.reach_ns[last]


def _look_behind(timeline: Timeline, made: MadeWaits, rows: Int64s, work: StreamWork, found: StreamWaits) -> None:
    spans = timeline.spans
    following = np.searchsorted(work.correlation, spans.correlation[made.span[rows]], side="left")
    rows, following = rows[following < len(work.span)], following[following < len(work.span)]
    free_ns = np.where(following > 0, work.reach_ns[following - 1], 0)
    asked_ns = spans.start_ns[made.span[rows]]
    ready_ns = np.maximum(np.maximum(free_ns, asked_ns), work.launch_ns[following])
    until_ns = np.minimum(found.until_ns[rows], work.start_ns[following])
    found.held[rows] = work.span[following]
    found.ready_ns[rows] = ready_ns
    found.stall_ns[rows] = np.maximum(until_ns - ready_ns, 0)
