"""What several checks look at, worked out once: CUDA calls by name, launches and the work that they left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ortprobe.timeline import DEVICE_WORK, MOST_EVIDENCE, NONE, Bools, Int32s, Kind, Spans, Timeline
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES, KERNEL_LAUNCHES, base_name
from ortprobe.timeline.groups import rows_by_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A timeline and its CUDA side."""

    timeline: Timeline
    calls: Int32s
    """All CUDA calls, in time order."""
    call_name: Int32s
    """Of each call, the index of its name in `Timeline.names`."""
    call_names: Mapping[str, Sequence[int]]
    """Name of a call without its variant → indices in `Timeline.names`, of the calls that there are."""
    work: Int32s
    """All device work, in time order."""
    launches: Int32s
    """Calls that launch a kernel or a graph, those into a graph capture left out. Copies and fills are not among them:
    those of no bytes leave no work."""
    fruitless: Bools
    """Of each launch, whether the trace lacks its work."""

    @staticmethod
    def of(timeline: Timeline) -> Watched:
        spans, launch = timeline.spans, timeline.links.launch
        calls, work = spans.of_kind(Kind.CUDA_CALL), spans.of_kind(*DEVICE_WORK)
        name, nothing = spans.name[calls], np.empty(0, np.int32)
        bare = Watched(
            timeline=timeline, calls=calls, call_name=name, call_names=_by_base_name(timeline, name), work=work,
            launches=nothing, fruitless=nothing > 0,
        )  # fmt: skip
        launches = bare.named((*KERNEL_LAUNCHES, *GRAPH_LAUNCHES))
        launches = launches[~_captured(bare, launches)]
        has_work = np.zeros(len(spans), np.bool_)
        has_work[launch[work][launch[work] != NONE]] = True
        return replace(bare, launches=launches, fruitless=~has_work[launches])

    def named(self, names: Sequence[str]) -> Int32s:
        """CUDA calls of these names in any variant, in time order."""
        numbers = [number for name in names for number in self.call_names.get(name, ())]
        if not numbers:
            return self.calls[:0]
        wanted = np.zeros(len(self.timeline.names), np.bool_)
        wanted[numbers] = True
        return self.calls[wanted[self.call_name]]


def cited(spans: Int32s) -> tuple[int, ...]:
    """As many of the spans as a problem cites."""
    return tuple(spans[:MOST_EVIDENCE].tolist())


def stretch(spans: Spans, chosen: Int32s) -> tuple[int | None, int | None]:
    """From the start of the first of some spans to the end of the last; of none, nothing."""
    if not len(chosen):
        return None, None
    return int(spans.start_ns[chosen].min()), int(spans.end_ns[chosen].max())


def _by_base_name(timeline: Timeline, names: Int32s) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number in np.flatnonzero(np.bincount(names)).tolist():
        found.setdefault(base_name(timeline.names[number]), []).append(number)
    return found


def _captured(watched: Watched, launches: Int32s) -> Bools:
    """Launches between `cudaStreamBeginCapture` and `cudaStreamEndCapture` on one thread, which run nothing.

    cuDNN 9 does this for each convolution while it builds its plan (seen with ORT 1.31.1 on an H100).
    """
    spans = watched.timeline.spans
    inside = np.zeros(len(launches), np.bool_)
    begins, ends = (watched.named((name,)) for name in ("cudaStreamBeginCapture", "cudaStreamEndCapture"))
    of_lane = dict(rows_by_value(spans.lane[launches])) if len(begins) else {}
    ends_of_lane = dict(rows_by_value(spans.lane[ends])) if len(begins) else {}
    for lane, rows in rows_by_value(spans.lane[begins]):
        if lane not in of_lane:
            continue
        own, closing = of_lane[lane], ends_of_lane.get(lane, ends[:0])
        begin_ns, end_ns = spans.start_ns[begins[rows]], spans.start_ns[ends[closing]]
        at_ns = spans.start_ns[launches[own]]
        inside[own] = np.searchsorted(begin_ns, at_ns) > np.searchsorted(end_ns, at_ns)
    return inside
