"""Whether a wait was needed, as far as the capture alone can tell."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import numpy as np

from ortprobe.analysis.coverage import recorded_windows
from ortprobe.analysis.waits.made_waits import MadeWaits, Streams
from ortprobe.analysis.waits.outstanding import HostWaits, StreamWaits, Unfinished
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline, UInt8s, WaitKind
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import Intervals


class Need(StrEnum):
    """What a wait was needed for. The first that holds, in this order.

    A judgement of this one wait among all others as they are: without it, a later one may stall instead. And of this
    one execution: a wait that found everything done may be what makes the program right when the device is slower.
    """

    UNKNOWN = "unknown"
    """The trace does not say what was waited for. And what would be ORDERS_NOTHING_SEEN, where the trace does not say
    which thread waited, or where the recording stops before that thread's next such wait."""
    ALREADY_DONE = "already-done"
    """Host: all that it waited for had ended when it began. Stream: it had ended when the stream was free and its next
    work was launched, or there was nothing to wait for."""
    DATA_FOR_HOST = "data-for-host"
    """Host: a copy to the host was among what it waited for, and no wait that had returned before it began had waited
    for that copy: the host reads the data."""
    FREES_HOST_MEMORY = "frees-host-memory"
    """Host: the same of a copy that reads pinned host memory, which the host may change or free only after it."""
    ORDERS_STREAMS = "orders-streams"
    """Host: the same thread launched work behind it on another stream than one that it found unfinished, before its
    next wait that covers that stream and finds any work unfinished, and no event that this other stream waits for had
    put that work behind the unfinished already. So the wait put one behind the other; whether one needs the other is
    not seen. Stream: its next work was ready before what it waited for."""
    ORDERS_NOTHING_SEEN = "orders-nothing-seen"
    """Nothing on the device that was seen depends on it. Host: until its next such wait the thread launched nothing, or
    what is ordered anyway, by the stream or by an event. The host may have waited to read memory that is mapped or
    managed, to take the time, or to tell another thread. Stream: nothing follows on it, or it waits for itself."""


NEEDS = tuple(Need)
NOT_NEEDED = (Need.ALREADY_DONE, Need.ORDERS_NOTHING_SEEN)
"""Nothing that was seen would have been different without the wait, but for the time it took."""


def needs_of(timeline: Timeline, made: MadeWaits, streams: Streams, host: HostWaits, stream: StreamWaits) -> UInt8s:
    """For each wait the position in `NEEDS` of what it was needed for."""
    rows = np.arange(len(made))
    unfinished = np.isin(rows, host.unfinished.wait)
    orders, is_told = _orders(timeline, made, streams, host.unfinished, _Events(timeline, made, streams, stream))
    of_host, of_stream = ~made.of_stream, made.of_stream
    itself = (made.stream == made.waiting_stream) & (made.device == made.waiting_device)
    idle = (stream.held == NONE) | itself
    done = np.where(of_stream, (stream.work == NONE) | (~idle & (stream.until_ns <= stream.ready_ns)), ~unfinished)
    holds = [
        (~made.is_resolved, Need.UNKNOWN),
        (done, Need.ALREADY_DONE),
        (of_host & host.brings_data, Need.DATA_FOR_HOST),
        (of_host & host.frees_memory, Need.FREES_HOST_MEMORY),
        (np.where(of_stream, ~idle, orders), Need.ORDERS_STREAMS),
        (of_host & ~is_told, Need.UNKNOWN),
        (np.ones(len(made), np.bool_), Need.ORDERS_NOTHING_SEEN),
    ]
    return np.select([each for each, _ in holds], [np.uint8(NEEDS.index(need)) for _, need in holds]).astype(np.uint8)


def _orders(
    timeline: Timeline, made: MadeWaits, streams: Streams, unfinished: Unfinished, events: _Events
) -> tuple[Bools, Bools]:
    """For each wait of the host, whether it put work behind other work, and whether the recording goes far enough to
    tell: to the next such wait of its thread."""
    spans, timed = timeline.spans, made.timed
    lane = np.where(made.call == NONE, NONE, spans.lane[timed]).astype(np.int32)
    launches, windows = _Launches(timeline, streams), recorded_windows(timeline)
    orders, is_told = np.zeros(len(made), np.bool_), lane != NONE
    busy = np.zeros(len(made), np.bool_)
    busy[unfinished.wait] = True
    for number in np.unique(unfinished.stream).tolist():
        own = unfinished.stream == number
        rows, count = unfinished.wait[own], unfinished.count[own]
        end_ns = spans.end_ns[timed[rows]]
        next_ns = _next_starts_ns(spans.start_ns[timed], lane, rows, _covering(made, streams, number, busy))
        until_ns = np.minimum(next_ns, _recorded_until_ns(windows, end_ns))
        behind = launches.of_all(lane[rows], end_ns, until_ns) - launches.of_stream(
            number, lane[rows], end_ns, until_ns
        )
        for other, since_ns in events.ordering_ns(number, count):
            behind -= launches.of_stream(other, lane[rows], np.clip(since_ns, end_ns, until_ns), until_ns)
        orders[rows] |= behind > 0
        is_told[rows] &= until_ns == next_ns
    return orders & (lane != NONE), is_told


def _covering(made: MadeWaits, streams: Streams, number: int, busy: Bools) -> Int64s:
    """Waits of the host for this stream, or for its device, that found work unfinished."""
    (device, stream), process = streams.keys[number], streams.work[number].process
    of_device = (made.kind == WaitKind.DEVICE_SYNC) & (made.process == process)
    return np.flatnonzero(busy & (made.device == device) & (of_device | (made.stream == stream)))


_NEVER = np.iinfo(np.int64).max


def _next_starts_ns(start_ns: Int64s, lane: Int32s, rows: Int64s, among: Int64s) -> Int64s:
    """For each of these waits, when the next of the others on its thread begins; `_NEVER` where there is none."""
    key = lane.astype(np.int64) * len(lane) + np.arange(len(lane))
    ordered = among[np.argsort(key[among])]
    at = np.searchsorted(key[ordered], key[rows], side="right")
    following = np.append(ordered, NONE)[at]
    same = (following != NONE) & (lane[following] == lane[rows])
    return np.where(same, start_ns[following], _NEVER)


def _recorded_until_ns(windows: Intervals, time_ns: Int64s) -> Int64s:
    """For each moment the end of the recording that it lies in."""
    start_ns, end_ns = windows
    return np.maximum(end_ns[np.searchsorted(start_ns, time_ns, side="right") - 1], time_ns)


class _Launches:
    """How many launches of device work there are by thread and time: of all streams, and of each."""

    def __init__(self, timeline: Timeline, streams: Streams) -> None:
        self._start_ns = timeline.spans.start_ns
        launches = [timeline.links.launch[work.span] for work in streams.work]
        seen = [launch[launch != NONE] for launch in launches]
        self._of_stream = [np.sort(self._keys(timeline.spans.lane[each], each)) for each in seen]
        self._all = np.sort(np.concatenate([np.zeros(0, np.int64), *self._of_stream]))

    def of_all(self, lane: Int32s, from_ns: Int64s, until_ns: Int64s) -> Int64s:
        """Launches of these threads, from one moment up to another."""
        return self._between(self._all, lane, from_ns, until_ns)

    def of_stream(self, number: int, lane: Int32s, from_ns: Int64s, until_ns: Int64s) -> Int64s:
        """Those of work on this stream."""
        return self._between(self._of_stream[number], lane, from_ns, until_ns)

    def _between(self, keys: Int64s, lane: Int32s, from_ns: Int64s, until_ns: Int64s) -> Int64s:
        first, past = (
            np.searchsorted(keys, self._keys(lane, np.searchsorted(self._start_ns, time_ns, side="left")))
            for time_ns in (from_ns, until_ns)
        )
        return np.asarray(past - first, np.int64)

    def _keys(self, lane: Int32s, span: Int32s | Int64s) -> Int64s:
        """Numbers that rise by thread and then by time: spans are sorted by their start."""
        return lane.astype(np.int64) * (len(self._start_ns) + 1) + span


class _Events:
    """Which stream was put behind which other one by an event, from when on, and behind how much of its work."""

    def __init__(self, timeline: Timeline, made: MadeWaits, streams: Streams, found: StreamWaits) -> None:
        waiting = streams.number_of(made.waiting_device, made.waiting_stream)
        rows = np.flatnonzero((found.waited != NONE) & (waiting != NONE) & (waiting != found.waited))
        pair = found.waited[rows].astype(np.int64) * len(streams.keys) + waiting[rows]
        self._behind: dict[int, list[tuple[int, Int64s, Int64s]]] = {}
        for value, own in rows_by_value(pair):
            waited, other = divmod(value, len(streams.keys))
            most = np.maximum.accumulate(found.in_front[rows[own]])
            asked_ns = timeline.spans.start_ns[made.timed[rows[own]]]
            self._behind.setdefault(waited, []).append((other, most, asked_ns))

    def ordering_ns(self, number: int, count: Int64s) -> Iterator[tuple[int, Int64s]]:
        """Each stream that waited for this one, and from when on what is launched there is behind the first `count`
        pieces of its work; `_NEVER` where that did not come about."""
        for other, most, asked_ns in self._behind.get(number, ()):
            yield other, np.append(asked_ns, _NEVER)[np.searchsorted(most, count, side="left")]
