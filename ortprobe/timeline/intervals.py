"""Half-open intervals [start, end) of int64 nanoseconds as pairs of columns: unions, gaps, overlaps, containment."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline.spans import NONE, Bools, Int32s, Int64s

Intervals = tuple[Int64s, Int64s]
"""Starts and ends, of equal length."""
_DEEPEST = 4096
"""Calls that lie in more calls than this are not looked at further out."""


def union(start_ns: Int64s, end_ns: Int64s) -> Intervals:
    """The same time without overlaps: sorted, disjoint, not touching. Empty intervals vanish."""
    keep = end_ns > start_ns
    start_ns, end_ns = start_ns[keep], end_ns[keep]
    if not len(start_ns):
        return start_ns, end_ns
    order = np.argsort(start_ns, kind="stable")
    start_ns, reach_ns = start_ns[order], np.maximum.accumulate(end_ns[order])
    opens = np.concatenate(([True], start_ns[1:] > reach_ns[:-1]))
    closes = np.concatenate((opens[1:], [True]))
    return start_ns[opens], reach_ns[closes]


def total_ns(intervals: Intervals) -> int:
    """Summed length of disjoint intervals."""
    return int((intervals[1] - intervals[0]).sum())


def gaps(busy: Intervals, start_ns: int, end_ns: int) -> Intervals:
    """What disjoint, sorted `busy` leaves free of [start_ns, end_ns)."""
    busy_start, busy_end = clip(busy, start_ns, end_ns)
    free_start = np.concatenate(([start_ns], busy_end)).astype(np.int64)
    free_end = np.concatenate((busy_start, [end_ns])).astype(np.int64)
    keep = free_end > free_start
    return free_start[keep], free_end[keep]


def clip(intervals: Intervals, start_ns: int, end_ns: int) -> Intervals:
    """The part of each interval inside [start_ns, end_ns); intervals outside vanish."""
    start, end = np.maximum(intervals[0], start_ns), np.minimum(intervals[1], end_ns)
    keep = end > start
    return start[keep], end[keep]


def innermost_containing(start_ns: Int64s, end_ns: Int64s, points_ns: Int64s) -> Int32s:
    """For each point, the index of the latest-starting interval that contains it; NONE where there is none.

    The intervals must be sorted by start, the longest first. They should nest, as calls on one thread do; where two
    overlap partly, the later one counts while it lasts. A point at an interval's end is outside of it. `points_ns` need
    not be sorted.
    """
    found = np.searchsorted(start_ns, points_ns, side="right").astype(np.int32) - 1
    outside = np.flatnonzero(found >= 0)
    outside = outside[end_ns[found[outside]] <= points_ns[outside]]
    if not len(outside):
        return found
    parent = enclosing(start_ns, end_ns)
    while len(outside):
        found[outside] = parent[found[outside]]
        outside = outside[found[outside] >= 0]
        outside = outside[end_ns[found[outside]] <= points_ns[outside]]
    return found


def enclosing(start_ns: Int64s, end_ns: Int64s) -> Int32s:
    """For each interval, sorted as above, the index of the nearest earlier one that has not ended at its start.

    An interval lies in the last one before it that is one level less deep, if all of them nest.
    """
    count = len(start_ns)
    lasting = np.flatnonzero(end_ns > start_ns)
    rank = np.searchsorted(lasting, np.arange(count))
    depth = rank - np.searchsorted(np.sort(end_ns[lasting]), start_ns, side="right")
    keys = depth[lasting] * count + lasting
    order = np.argsort(keys, kind="stable")
    at = np.searchsorted(keys[order], (depth - 1) * count + np.arange(count)) - 1
    inside = depth > 0
    parent = np.full(count, NONE, np.int32)
    parent[inside] = lasting[order[at[inside]]]
    if (end_ns[parent[inside]] < end_ns[inside]).any():
        return _enclosing_overlapping(start_ns, end_ns)
    return parent


def _enclosing_overlapping(start_ns: Int64s, end_ns: Int64s) -> Int32s:
    parent = np.full(len(start_ns), NONE, np.int32)
    open_ones: list[int] = []
    ends = end_ns.tolist()
    for index, start in enumerate(start_ns.tolist()):
        while open_ones and ends[open_ones[-1]] <= start:
            open_ones.pop()
        if open_ones:
            parent[index] = open_ones[-1]
        open_ones.append(index)
    return parent


def sticking_out(start_ns: Int64s, end_ns: Int64s, slack_ns: int = 0) -> Bools:
    """Which intervals begin inside an earlier one and end after it, by more than `slack_ns` each.

    The intervals must be sorted by start, longest first, and none may be empty. Where nothing sticks out, all nest.

    Begins and ends are matched like brackets: the n-th begin at a depth closes with the n-th end at that depth. Where
    intervals nest, each gets its own end back; one that gets an earlier end began inside of what ended there. With
    slack several small differences can add up in that, so what is found is looked for among the intervals around it.
    """
    count = np.arange(len(start_ns))
    ends_ns = np.sort(end_ns, kind="stable")
    opens = count - np.searchsorted(ends_ns, start_ns, side="right")
    closes = np.searchsorted(start_ns, ends_ns, side="left") - count - 1
    bracket_ns = np.empty_like(end_ns)
    bracket_ns[_by_depth(opens)] = ends_ns[_by_depth(closes)]
    found = np.asarray(np.minimum(bracket_ns - start_ns, end_ns - bracket_ns) > slack_ns)
    if slack_ns and found.any():
        found[found] = _crosses_one_around(start_ns, end_ns, np.flatnonzero(found), slack_ns)
    return found


def _crosses_one_around(start_ns: Int64s, end_ns: Int64s, at: Int64s, slack_ns: int) -> Bools:
    """Whether one of the earlier intervals that each of these begins inside of ends inside of it."""
    parent = enclosing(start_ns, end_ns)
    crosses, left, around = np.zeros(len(at), np.bool_), np.arange(len(at)), parent[at]
    for _ in range(_DEEPEST):
        inside = around != NONE
        left, around = left[inside], around[inside]
        if not len(left):
            break
        mine, ends_ns = at[left], end_ns[around]
        hit = np.minimum(ends_ns - start_ns[mine], end_ns[mine] - ends_ns) > slack_ns
        crosses[left[hit]] = True
        left, around = left[~hit], parent[around[~hit]]
    return crosses


def _by_depth(depth: Int64s) -> Int64s:
    """Positions by depth, in time order within each. Of 16 bits numpy sorts with a radix sort, in linear time."""
    narrow = depth.astype(np.uint16) if len(depth) and depth.max() < 1 << 16 else depth
    return np.argsort(narrow, kind="stable")
