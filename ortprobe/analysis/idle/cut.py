"""Cutting gaps along the launch of the work that ended them, whoever had the gap: a device, or one of its streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.idle.causes import (
    ARRIVAL_NS,
    BACK_TO_BACK_NS,
    ENGINE_SWITCH_NS,
    EVENT_LATENCY_NS,
    FIRST_LAUNCH_NS,
    LATE_ARRIVAL_NS,
    IdleCause,
)
from ortprobe.analysis.idle.host_activity import HostActivity
from ortprobe.analysis.idle.pieces import Pieces, Segments, split
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES, PAGEABLE_TO_DEVICE, base_name

_NEVER_NS = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, kw_only=True)
class Knife:
    """What gaps are cut with: the same for all devices and streams of a timeline."""

    timeline: Timeline
    activity: HostActivity
    held: Int32s
    """For each span, as device work: the stream's wait in front of it, and the last work waited for. Shape (N, 2)."""
    is_first_of_call: Bools
    """For each span, whether it is the first device work of its launch."""
    launches_graph: Bools
    """For each span, whether it is a call that launches a graph."""
    is_pageable: Bools
    """For each span, whether it is a copy from or to pageable memory."""
    switched_ns: Int64s
    """For each span that another engine than the work before it in its stream executes, when that ended; otherwise
    `_NEVER_NS`."""
    is_staged: Bools
    """For each span, whether it is a copy from pageable memory to the device."""
    loads_code: Bools
    """For each span, whether it is a kernel's first launch, and lasted as long as loading code does."""

    @staticmethod
    def of(timeline: Timeline, held: Int32s, activity: HostActivity) -> Knife:
        """Look up once what every cut asks for."""
        return Knife(
            timeline=timeline,
            activity=activity,
            held=held,
            is_first_of_call=_first_of_calls(timeline),
            launches_graph=_named(timeline, Kind.CUDA_CALL, lambda name: base_name(name) in GRAPH_LAUNCHES),
            is_pageable=_named(timeline, Kind.MEMCPY, lambda name: "Pageable" in name),
            switched_ns=_switches(timeline),
            is_staged=_named(timeline, Kind.MEMCPY, lambda name: PAGEABLE_TO_DEVICE in name),
            loads_code=_first_launches(timeline),
        )

    def cut(self, start_ns: Int64s, end_ns: Int64s, ended_by: Int32s) -> Pieces:
        """Cut gaps that this work ended (NONE: none did) into pieces with a cause, in time order, without holes."""
        gap = Pieces.whole(start_ns, end_ns)
        launch = np.where(ended_by == NONE, NONE, self.timeline.links.launch[ended_by]).astype(np.int32)
        launched = launch != NONE
        follows = launched & ~self.is_first_of_call[ended_by]
        in_graph = follows & self.launches_graph[launch]
        staged = launched & self.is_pageable[ended_by] & ~in_graph
        parts = [
            gap.where(ended_by == NONE, IdleCause.NO_MORE_WORK),
            gap.where((ended_by != NONE) & ~launched, IdleCause.UNATTRIBUTED, because=ended_by),
            gap.where(in_graph, IdleCause.WITHIN_GRAPH, because=launch),
            gap.where(staged & follows, IdleCause.PAGEABLE_COPY, because=launch),
            *self._launched(gap, launched & ~in_graph & ~(staged & follows), launch, ended_by),
        ]
        return Pieces.joined(parts)

    def _launched(self, gap: Pieces, mask: Bools, launch: Int32s, ended_by: Int32s) -> list[Pieces]:
        """Gaps before the first work of a launch: the host until the call, then the launch, then the device."""
        spans = self.timeline.spans
        call_end_ns = spans.end_ns[launch]
        late_ns = np.clip(spans.start_ns[launch], gap.start_ns, gap.end_ns)
        arrives = mask & (gap.end_ns <= call_end_ns + ARRIVAL_NS)
        held_ns, wait = self._held_until(gap, mask & ~arrives, ended_by, late_ns)
        crossing = mask & (held_ns != _NEVER_NS)
        open_ns = np.where(crossing, held_ns, late_ns)
        # A call that has not returned when the gap begins has not enqueued its work for certain.
        under_way = arrives | (mask & ~crossing & (call_end_ns > gap.start_ns))
        latest_ns = np.clip(call_end_ns + LATE_ARRIVAL_NS, open_ns, gap.end_ns)
        arrived_ns = np.where(arrives, gap.end_ns, np.where(under_way, latest_ns, open_ns))
        length_ns = gap.end_ns - gap.start_ns
        queued = mask & (arrived_ns == gap.start_ns)
        switching = queued & (self.switched_ns[ended_by] == gap.start_ns) & (length_ns < ENGINE_SWITCH_NS)
        close = queued & ~switching & (length_ns < BACK_TO_BACK_NS)
        launching = self._launching(gap, under_way, launch, ended_by).within(open_ns, arrived_ns)
        return [
            self._by_thread(gap.where(mask, IdleCause.PYTHON, end_ns=late_ns), launch, HostActivity.of_thread),
            self._by_thread(launching, launch, HostActivity.loading_on),
            gap.where(crossing, IdleCause.CROSS_STREAM_WAIT, start_ns=late_ns, end_ns=held_ns, because=wait),
            gap.where(switching, IdleCause.ENGINE_SWITCH, because=ended_by),
            gap.where(close, IdleCause.BACK_TO_BACK, because=ended_by),
            gap.where(mask & ~close & ~switching, IdleCause.UNATTRIBUTED, start_ns=arrived_ns, because=ended_by),
        ]

    def _held_until(self, gap: Pieces, mask: Bools, ended_by: Int32s, late_ns: Int64s) -> tuple[Int64s, Int32s]:
        """Until when a stream's wait explains each gap in `mask` (`_NEVER_NS`: none does), and that wait."""
        wait = np.where(mask, self.held[ended_by, 0], NONE).astype(np.int32)
        waited_ns = self.timeline.spans.end_ns[self.held[ended_by, 1]]
        ends_inside = (waited_ns >= late_ns) & (waited_ns <= gap.end_ns)
        holds = (wait != NONE) & ends_inside
        soon = gap.end_ns - waited_ns < EVENT_LATENCY_NS
        # What ended where the gap began explains nothing but the moment after it.
        holds &= soon | (waited_ns > late_ns)
        return np.where(holds, np.where(soon, gap.end_ns, waited_ns), _NEVER_NS), wait

    def _launching(self, gap: Pieces, mask: Bools, launch: Int32s, ended_by: Int32s) -> Pieces:
        """The gaps in `mask`, with what their launches spent their time on."""
        loads = mask & self.loads_code[ended_by]
        stages = mask & ~loads & self.is_staged[ended_by]
        return Pieces.joined(
            [
                gap.where(loads, IdleCause.MODULE_LOADING, because=launch),
                gap.where(stages, IdleCause.PAGEABLE_COPY, because=launch),
                gap.where(mask & ~loads & ~stages, IdleCause.LAUNCH_LATENCY, because=launch),
            ]
        )

    def _by_thread(self, pieces: Pieces, launch: Int32s, doing: Callable[[HostActivity, int], Segments]) -> Pieces:
        """The same time, cut by what the launching threads were doing."""
        lane = self.timeline.spans.lane[launch[pieces.gap]]
        threads = np.unique(lane).tolist()
        return Pieces.joined(
            [pieces.rows(lane == NONE)]
            + [split(pieces.rows(lane == thread), doing(self.activity, thread)) for thread in threads]
        )


def _first_of_calls(timeline: Timeline) -> Bools:
    """For each span, whether it is the earliest device work of its launch; false for all that is no launched work."""
    ops = timeline.device_ops.span
    launch = timeline.links.launch[ops]
    first = np.zeros(len(timeline.spans), np.bool_)
    found, row = np.unique(launch, return_index=True)
    first[ops[row[found != NONE]]] = True
    return first


def _first_launches(timeline: Timeline) -> Bools:
    """For each span, whether it is the first kernel of its name on its device, and its launch lasted so long that it
    must have loaded its code."""
    spans, ops = timeline.spans, timeline.device_ops
    kernel = np.flatnonzero(spans.kind[ops.span] == Kind.KERNEL)
    kernel = kernel[timeline.links.launch[ops.span[kernel]] != NONE]
    named = ops.device[kernel].astype(np.int64) * len(timeline.names) + spans.name[ops.span[kernel]]
    _, row = np.unique(named, return_index=True)
    first = ops.span[kernel[row]]
    launch = timeline.links.launch[first]
    loads = np.zeros(len(spans), np.bool_)
    loads[first] = spans.end_ns[launch] - spans.start_ns[launch] > FIRST_LAUNCH_NS
    return loads


def _switches(timeline: Timeline) -> Int64s:
    """For each span, the end of the work before it in its stream where one of the two is a copy from or to the host,
    which copy engines execute; `_NEVER_NS` for all others."""
    spans, ops = timeline.spans, timeline.device_ops
    of_host = _named(timeline, Kind.MEMCPY, lambda name: "HtoD" in name or "DtoH" in name)
    switched_ns = np.full(len(spans), _NEVER_NS, np.int64)
    if of_host.any():
        order = np.lexsort((ops.stream, ops.device))
        before, after = ops.span[order[:-1]], ops.span[order[1:]]
        same = (ops.stream[order[:-1]] == ops.stream[order[1:]]) & (ops.device[order[:-1]] == ops.device[order[1:]])
        switches = same & (of_host[before] != of_host[after])
        switched_ns[after[switches]] = spans.end_ns[before[switches]]
    return switched_ns


def _named(timeline: Timeline, kind: Kind, fits: Callable[[str], bool]) -> Bools:
    """For each span, whether it is of a kind and its name fits."""
    of_name = np.array([fits(name) for name in timeline.names], np.bool_)
    found = timeline.spans.kind == kind
    found[found] = of_name[timeline.spans.name[found]]
    return np.asarray(found, np.bool_)
