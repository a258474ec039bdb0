"""Which idle time is the tracer's own doing: how much would remain without it.

Between two launches the host works, and what tracing adds to each CUDA call and node makes the gap longer. So the time
that a gap would have without tracing lies between two bounds. High: as measured. Low: less the cost of each CUDA call
and node that the launching thread came through since its launch before, or since the gap began if that was earlier;
spread over the gap's pieces by their length. Costs are averages over a run (`LaunchCost`), so one gap can be off by
more than its bounds; sums over many gaps are not. Time that the device itself took, with its work already launched, is
as measured; what the profiler did in calls of its own is nothing without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle, Idle
from ortprobe.analysis.runs.run_phases import launching
from ortprobe.analysis.trust.overhead import LaunchCost
from ortprobe.timeline import NONE, Int32s, Kind, Timeline

ON_DEVICE = frozenset(
    {IdleCause.CROSS_STREAM_WAIT, IdleCause.BACK_TO_BACK, IdleCause.NO_MORE_WORK, IdleCause.UNATTRIBUTED}
)
"""Causes with no thread of the host in them that tracing could slow down."""

Float64s = NDArray[np.float64]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Believable:
    """Gaps shorter than `LaunchCost.launch_ns`, which tracing adds from one launch to the next, need not be there."""

    devices: tuple[DeviceBelief, ...]
    """Empty where what tracing costs a launch was not measured."""


def compute_believable(timeline: Timeline, idle: Idle, cost: LaunchCost) -> Believable:
    """Bounds of each device's idle time by cause."""
    if cost.launch_ns is None:
        return Believable(devices=())
    calls = timeline.spans.of_kind(Kind.CUDA_CALL)
    things = ((calls, cost.cuda_call_ns or 0.0), (timeline.node_spans.span, cost.node_ns or 0.0))
    return Believable(devices=tuple(_believed(timeline, device, things) for device in idle.devices))


_Priced = tuple[tuple[Int32s, float], ...]
"""Spans of the host in time order, with what tracing adds to each of them in ns."""


def _believed(timeline: Timeline, device: DeviceIdle, things: _Priced) -> DeviceBelief:
    columns = device.columns
    gap, cause = columns.piece_gap, columns.piece_cause
    own = cause == CAUSES.index(IdleCause.PROFILER)
    on_host = ~own & ~np.isin(cause, [CAUSES.index(each) for each in ON_DEVICE])
    length_ns = columns.piece_end_ns - columns.piece_start_ns
    host_ns = np.bincount(gap[on_host], length_ns[on_host], len(columns.gap_start_ns))
    traced_ns = np.minimum(_tracing_in_gaps(timeline, device, things), host_ns)
    share = np.divide(traced_ns, host_ns, out=np.zeros(len(host_ns)), where=host_ns > 0)
    low_ns = np.where(own, 0, length_ns * (1 - np.where(on_host, share[gap], 0)))
    high, low = (np.bincount(cause, times_ns, len(CAUSES)) for times_ns in (length_ns, low_ns))
    return DeviceBelief(
        device=device.device,
        by_cause={
            each: IdleBounds(low_ns=round(low[CAUSES.index(each)]), high_ns=round(high[CAUSES.index(each)]))
            for each in device.idle_by_cause
        },
    )


def _tracing_in_gaps(timeline: Timeline, device: DeviceIdle, things: _Priced) -> Float64s:
    """For each gap, what tracing cost the launching thread on its way to the launch that ended it."""
    spans, columns = timeline.spans, device.columns
    launch = np.where(columns.ended_by == NONE, NONE, timeline.links.launch[columns.ended_by])
    lane = np.where(launch == NONE, NONE, spans.lane[launch])
    calls = spans.of_kind(Kind.CUDA_CALL)
    launches = calls[launching(timeline, calls)]
    traced_ns = np.zeros(len(launch))
    for thread in np.unique(lane[lane != NONE]).tolist():
        mine = np.flatnonzero(lane == thread)
        own_ns = spans.end_ns[launches[spans.lane[launches] == thread]]
        before = np.searchsorted(own_ns, spans.start_ns[launch[mine]], side="right") - 1
        since_ns = columns.gap_start_ns[mine]
        if len(own_ns):
            since_ns = np.where(before >= 0, np.minimum(own_ns[before], since_ns), since_ns)
        for priced, each_ns in things:
            begins_ns = spans.start_ns[priced[spans.lane[priced] == thread]]
            first, last = np.searchsorted(begins_ns, since_ns), np.searchsorted(begins_ns, columns.gap_end_ns[mine])
            traced_ns[mine] += each_ns * (last - first)
    return traced_ns
