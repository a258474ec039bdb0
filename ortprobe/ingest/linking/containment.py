"""What lies inside of what on one lane."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import NONE, Int32s, Spans
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import innermost_containing

_NOTHING = np.empty(0, np.int64)


def containing(spans: Spans, outer: Int32s, inner: Int32s) -> Int32s:
    """For each inner span the innermost outer span around its start on the same lane, or NONE."""
    found = np.full(len(inner), NONE, np.int32)
    of_lane = dict(rows_by_value(spans.lane[inner]))
    for lane, rows in rows_by_value(spans.lane[outer]):
        own, inside = outer[rows], of_lane.get(lane, _NOTHING)
        at = innermost_containing(spans.start_ns[own], spans.end_ns[own], spans.start_ns[inner[inside]])
        found[inside] = np.where(at == NONE, NONE, own[at])
    return found


def outermost(spans: Spans, chosen: Int32s) -> Int32s:
    """Those of the chosen spans that lie in no other of them on the same lane."""
    keep = np.ones(len(chosen), bool)
    for _, own in rows_by_value(spans.lane[chosen]):
        reach_ns = np.concatenate(([np.iinfo(np.int64).min], np.maximum.accumulate(spans.end_ns[chosen[own]])[:-1]))
        keep[own] = spans.start_ns[chosen[own]] >= reach_ns
    return chosen[keep]
