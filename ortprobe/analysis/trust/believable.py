"""Which idle time is the tracer's own doing: how much would remain without it, and which gaps are too small to believe.

Between two launches the host works, and what tracing adds to each CUDA call and node makes the host slower and the gap
longer. So the time that a gap would have without tracing lies between two bounds. High: as measured. Low: less the cost
of each CUDA call and each node that the thread came through in it. Costs are averages over a run (`LaunchCost`), so one
piece can be off by more than its bounds; sums over many pieces are not. Time that the device itself took, with its work
already launched, is as measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle, Idle
from ortprobe.analysis.trust.overhead import LaunchCost
from ortprobe.timeline import NONE, Int32s, Int64s, Kind, Timeline

ON_DEVICE = frozenset(
    {IdleCause.CROSS_STREAM_WAIT, IdleCause.BACK_TO_BACK, IdleCause.NO_MORE_WORK, IdleCause.UNATTRIBUTED}
)
"""Causes with no thread of the host in them that tracing could slow down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleBounds:
    """What would remain of idle time without tracing."""

    low_ns: int
    high_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBelief:
    """One device, in the order of `Idle.devices`."""

    device: int
    by_cause: Mapping[IdleCause, IdleBounds]
    """For each cause that occurs. The high bounds are `DeviceIdle.idle_by_cause`."""
    small_gaps: int
    """Gaps shorter than `Believable.smallest_gap_ns` that the host's launching ended."""
    small_gaps_ns: int
    """Their sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Believable:
    """Empty and None where what tracing costs a launch was not measured."""

    smallest_gap_ns: float | None
    """What tracing adds from one launch to the next (`LaunchCost.launch_ns`): a shorter gap between two of them need
    not be there without it."""
    devices: tuple[DeviceBelief, ...]


def compute_believable(timeline: Timeline, idle: Idle, cost: LaunchCost) -> Believable:
    """Bounds of each device's idle time by cause."""
    if cost.launch_ns is None:
        return Believable(smallest_gap_ns=None, devices=())
    calls = timeline.spans.of_kind(Kind.CUDA_CALL)
    things = ((calls, cost.cuda_call_ns or 0.0), (timeline.node_spans.span, cost.node_ns or 0.0))
    believed = tuple(_believed(timeline, device, things, cost.launch_ns) for device in idle.devices)
    return Believable(smallest_gap_ns=cost.launch_ns, devices=believed)


_Priced = tuple[tuple[Int32s, float], ...]
"""Spans of the host in time order, with what tracing adds to each of them in ns."""


def _believed(timeline: Timeline, device: DeviceIdle, things: _Priced, launch_ns: float) -> DeviceBelief:
    columns = device.columns
    launch = _launch_of(timeline, columns.ended_by)
    lane = np.where(launch == NONE, NONE, timeline.spans.lane[launch])[columns.piece_gap]
    on_host = ~np.isin(columns.piece_cause, [CAUSES.index(cause) for cause in ON_DEVICE])
    own_ns = np.zeros(len(on_host))
    for spans, each_ns in things:
        own_ns += each_ns * _begun_in(timeline, spans, lane, columns.piece_start_ns, columns.piece_end_ns)
    own_ns[columns.piece_cause == CAUSES.index(IdleCause.PROFILER)] = np.inf
    length_ns = columns.piece_end_ns - columns.piece_start_ns
    low_ns = length_ns - np.where(on_host, np.minimum(own_ns, length_ns), 0).astype(np.int64)
    high, low = (np.bincount(columns.piece_cause, times_ns, len(CAUSES)) for times_ns in (length_ns, low_ns))
    gap_ns = columns.gap_end_ns - columns.gap_start_ns
    host_gap = np.zeros(len(gap_ns), np.bool_)
    host_gap[columns.piece_gap[on_host]] = True
    small = host_gap & (gap_ns < launch_ns)
    return DeviceBelief(
        device=device.device,
        by_cause={
            cause: IdleBounds(low_ns=round(low[CAUSES.index(cause)]), high_ns=round(high[CAUSES.index(cause)]))
            for cause in device.idle_by_cause
        },
        small_gaps=int(small.sum()),
        small_gaps_ns=int(gap_ns[small].sum()),
    )


def _launch_of(timeline: Timeline, work: Int32s) -> Int32s:
    return np.where(work == NONE, NONE, timeline.links.launch[work]).astype(np.int32)


def _begun_in(timeline: Timeline, spans: Int32s, lane: Int32s, start_ns: Int64s, end_ns: Int64s) -> Int64s:
    """How many of the spans began in each piece, on the piece's own lane."""
    count = np.zeros(len(lane), np.int64)
    of_span, begins_ns = timeline.spans.lane[spans], timeline.spans.start_ns[spans]
    for thread in np.unique(lane[lane != NONE]).tolist():
        mine, own_ns = lane == thread, begins_ns[of_span == thread]
        count[mine] = np.searchsorted(own_ns, end_ns[mine]) - np.searchsorted(own_ns, start_ns[mine])
    return count
