"""How much of what intervals cover, for many groups or many stretches at once."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import Int32s, Int64s
from ortprobe.timeline.groups import sum_by_group
from ortprobe.timeline.intervals import Intervals, union


def busy_by_group(group: Int32s, start_ns: Int64s, end_ns: Int64s, groups: int) -> Int64s:
    """For each of `groups` groups, the length of the union of its intervals.

    Times are replaced by their ranks, so that all groups fit behind one another on one axis and one union does it.
    """
    times, ranks = np.unique(np.concatenate((start_ns, end_ns)), return_inverse=True)
    if not len(times):
        return np.zeros(groups, np.int64)
    stride = len(times)
    offset = group.astype(np.int64) * stride
    first, last = union(ranks[: len(start_ns)] + offset, ranks[len(start_ns) :] + offset)
    # A union does not reach over into the next group: a group's last rank is one short of the next one's first.
    owner = first // stride
    return sum_by_group(owner, times[last - owner * stride] - times[first - owner * stride], groups)


def covered_ns(intervals: Intervals, stretches: Intervals) -> Int64s:
    """How much of each stretch the disjoint, sorted intervals cover. Stretches need not be disjoint nor sorted."""
    return _covered_until(intervals, stretches[1]) - _covered_until(intervals, stretches[0])


def _covered_until(intervals: Intervals, time_ns: Int64s) -> Int64s:
    start_ns, end_ns = intervals
    if not len(start_ns):
        return np.zeros(len(time_ns), np.int64)
    before_ns = np.concatenate(([0], np.cumsum(end_ns - start_ns)))
    row = np.searchsorted(start_ns, time_ns, side="right")
    into_ns = np.minimum(time_ns, end_ns[row - 1]) - start_ns[row - 1]
    return np.where(row > 0, before_ns[row - 1] + into_ns, 0)
