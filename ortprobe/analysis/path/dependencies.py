"""What each piece of device work waited for before it began: its launch, the work before it on its stream, or an event.

A constraint lets go of work a little after it is met: a launched kernel begins some µs after the call, queued work a µs
after what ran before it. How long each takes is measured in the capture itself (`Latencies`), and the constraint that
let go last is the one that held the work back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline, UInt8s
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES, base_name
from ortprobe.timeline.groups import rows_by_value


class HeldBy(IntEnum):
    """Which constraint of a piece of device work was met last."""

    UNKNOWN = 0
    """The trace holds no launch of it, no work before it on its stream, and no event it waited for."""
    LAUNCH = 1
    """It was launched when its stream had nothing left to do."""
    STREAM = 2
    """It was queued behind other work of its stream."""
    EVENT = 3
    """Its stream waited for an event behind work of another stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """How long after a constraint was met work began, as medians over this capture's work that nothing else held."""

    launch_ns: int
    """From the start of the call that launches a kernel."""
    stream_ns: int
    """From the end of the work before it on the stream."""
    event_ns: int
    """From the end of the work waited for by an event."""
    return_ns: int
    """From the end of the work that a host call waited for to the call's return."""


LAUNCH_NS = 5_000
STREAM_NS = 1_000
EVENT_NS = 2_000
RETURN_NS = 5_000
"""Where a capture holds no example (measured on an H100, onnxruntime 1.31.1)."""
_QUEUED_FOR_NS = 20_000
"""Work launched this long before its stream came to it was not held by its launch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """One entry for each row of `Timeline.device_ops`; `previous` and `awaited` are such rows too."""

    launch_ns: Int64s
    """Start of the launching call; NONE without one in the trace."""
    launch_latency_ns: Int64s
    """From the start of its call to its start where nothing else holds it: the median over kernels, apart for those
    of graphs, and over copies and fills of the same name, since staging pageable memory takes time."""
    previous: Int32s
    """The work before it on its stream; NONE for the first."""
    awaited: Int32s
    """The last-ending work that its stream waited for through events directly in front of it; NONE without."""
    held_by: UInt8s
    """`HeldBy`."""
    late_ns: Int64s
    """How much later than the latencies say it began; less than 0 for work that began sooner, 0 for UNKNOWN."""
    latencies: Latencies


def compute_dependencies(timeline: Timeline, waits: WaitTimes) -> Dependencies:
    """What held each piece of device work back."""
    ops, spans = timeline.device_ops, timeline.spans
    start_ns, end_ns = spans.start_ns[ops.span], spans.end_ns[ops.span]
    launch = timeline.links.launch[ops.span]
    launch_ns = np.where(launch == NONE, NONE, spans.start_ns[launch])
    previous = _previous(timeline)
    awaited = _awaited(timeline, waits)
    free_ns = _ends_of(previous, end_ns)
    event_ns = _ends_of(awaited, end_ns)
    latencies = _latencies(timeline, waits, launch_ns, free_ns, event_ns)
    # Inside a graph launch all work shares one call: only its first piece says what a launch takes.
    alone = (launch_ns != NONE) & (launch_ns > np.maximum(free_ns, event_ns))
    launch_latency_ns = _launch_latencies(timeline, alone, start_ns - launch_ns, latencies.launch_ns)
    let_go_ns = np.stack(
        [
            np.where(launch_ns == NONE, NONE, launch_ns + launch_latency_ns),
            np.where(free_ns == NONE, NONE, free_ns + latencies.stream_ns),
            np.where(event_ns == NONE, NONE, event_ns + latencies.event_ns),
        ]
    )
    last = np.argmax(let_go_ns, axis=0)
    met_ns = np.stack([launch_ns, free_ns, event_ns])[last, np.arange(len(last))]
    held_by = np.where(met_ns == NONE, HeldBy.UNKNOWN, last + 1).astype(np.uint8)
    return Dependencies(
        launch_ns=launch_ns,
        launch_latency_ns=launch_latency_ns,
        previous=previous,
        awaited=awaited,
        held_by=held_by,
        late_ns=np.where(met_ns == NONE, 0, start_ns - let_go_ns.max(axis=0, initial=0)),
        latencies=latencies,
    )


def enqueue_order(timeline: Timeline) -> Int64s:
    """Rows of `device_ops`, stream by stream, each in the order in which its work was enqueued: by correlation id,
    which CUPTI gives at the entry of calls, the works of one graph launch by their start."""
    ops, spans = timeline.device_ops, timeline.spans
    keys = (spans.start_ns[ops.span], spans.correlation[ops.span], ops.stream, ops.device)
    return np.lexsort(keys).astype(np.int64)


def _previous(timeline: Timeline) -> Int32s:
    ops = timeline.device_ops
    order = enqueue_order(timeline)
    previous = np.full(len(order), NONE, np.int32)
    same = (ops.stream[order][1:] == ops.stream[order][:-1]) & (ops.device[order][1:] == ops.device[order][:-1])
    previous[order[1:][same]] = order[:-1][same]
    return previous


def _awaited(timeline: Timeline, waits: WaitTimes) -> Int32s:
    """Of several waits in front of one piece of work, the one whose work ended last counts."""
    ops, spans = timeline.device_ops.span, timeline.spans
    awaited = np.full(len(ops), NONE, np.int32)
    of_streams = ~waits.by_host & (waits.held != NONE) & (waits.work != NONE)
    held, work = waits.held[of_streams], waits.work[of_streams]
    by_end = np.argsort(spans.end_ns[work], kind="stable")
    awaited[np.searchsorted(ops, held[by_end])] = np.searchsorted(ops, work[by_end])
    return awaited


def _ends_of(rows: Int32s, end_ns: Int64s) -> Int64s:
    return np.where(rows == NONE, NONE, end_ns[rows]) if len(rows) else end_ns


def _launch_latencies(timeline: Timeline, alone: Bools, taken_ns: Int64s, of_kernels_ns: int) -> Int64s:
    spans, ops = timeline.spans, timeline.device_ops.span
    launch = timeline.links.launch[ops]
    graph_calls = [row for row, name in enumerate(timeline.names) if base_name(name) in GRAPH_LAUNCHES]
    of_graph = (launch != NONE) & np.isin(spans.name[launch], graph_calls)
    single, graph, copies = NONE, NONE - 1, spans.name[ops]
    alike = np.where(of_graph, graph, np.where(spans.kind[ops] == Kind.KERNEL, single, copies))
    found = np.full(len(ops), of_kernels_ns, np.int64)
    for _, rows in rows_by_value(alike.astype(np.int64)):
        found[rows] = _median(taken_ns[rows[alone[rows]]], of_kernels_ns)
    return found


def _latencies(timeline: Timeline, waits: WaitTimes, launch_ns: Int64s, free_ns: Int64s, event_ns: Int64s) -> Latencies:
    spans, ops = timeline.spans, timeline.device_ops.span
    start_ns, launched = spans.start_ns[ops], launch_ns != NONE
    alone = launched & (launch_ns > np.maximum(free_ns, event_ns)) & (spans.kind[ops] == Kind.KERNEL)
    queued = launched & (free_ns > launch_ns + _QUEUED_FOR_NS) & (event_ns < free_ns)
    evented = launched & (event_ns > launch_ns + _QUEUED_FOR_NS) & (event_ns > free_ns)
    stalled = waits.by_host & (waits.stall_ns > 0) & (waits.work != NONE)
    return Latencies(
        launch_ns=_median(start_ns[alone] - launch_ns[alone], LAUNCH_NS),
        stream_ns=_median(start_ns[queued] - free_ns[queued], STREAM_NS),
        event_ns=_median(start_ns[evented] - event_ns[evented], EVENT_NS),
        return_ns=_median(waits.end_ns[stalled] - spans.end_ns[waits.work[stalled]], RETURN_NS),
    )


def _median(values: Int64s, otherwise: int) -> int:
    return max(int(np.median(values)), 0) if len(values) else otherwise
