"""Kernels of runs that follow a pause of the GPU, against the same kernels of runs that follow one another.

A kernel takes as long as the GPU's clock lets it: the same kernel on a clock at half speed takes about twice as long.
Compared are runs of one session that launched exactly the same kernels (names and grids, in their order), while no
other work was on the device. First runs are left out, and so is the first run of each window: what was before it nobody
saw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import recorded_windows
from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.timeline import NONE, Int64s, Kind, Timeline
from ortprobe.timeline.groups import rows_by_value, sum_by_group

PAUSE_NS = 10_000_000
"""The GPU was idle for so long before a run: a pause. GPUs lower their clocks after some milliseconds to seconds."""
IN_A_ROW_NS = 2_000_000
"""Less than this is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterPauses:
    """One session's runs with the same kernels."""

    session: int
    paused: Int64s
    """Rows in `Timeline.runs` of those after a pause of the device of `PAUSE_NS` or more."""
    in_a_row: Int64s
    """Those that came within `IN_A_ROW_NS` after other work."""
    paused_ns: Int64s
    """Parallel to `paused`: how long all kernels of the run took, summed."""
    in_a_row_ns: Int64s
    rank_correlation: float | None
    """Spearman's, of the idle time before each run of the group and how long its kernels took: 1 where the longer one
    is, the longer is the other. None where one of the two never changes."""


def compute_after_pauses(timeline: Timeline, times: RunTimes) -> tuple[AfterPauses, ...]:
    """Each group of runs that can be compared, those with the most runs after pauses first. Empty without a pause."""
    idle_ns = _idle_before(timeline)
    usable = np.flatnonzero(times.steady & (idle_ns != NONE) & (timeline.runs.session != NONE))
    if not (idle_ns[usable] >= PAUSE_NS).any():
        return ()
    kernels_ns, sequence = _kernels(timeline, usable)
    rows = usable[sequence[usable] != NONE]
    group = timeline.runs.session[rows].astype(np.int64) << 32 | sequence[rows]
    found = []
    for _, members in rows_by_value(group):
        own = rows[members]
        paused, in_a_row = own[idle_ns[own] >= PAUSE_NS], own[idle_ns[own] <= IN_A_ROW_NS]
        found.append(
            AfterPauses(
                session=int(timeline.runs.session[own[0]]),
                paused=paused,
                in_a_row=in_a_row,
                paused_ns=kernels_ns[paused],
                in_a_row_ns=kernels_ns[in_a_row],
                rank_correlation=_rank_correlation(idle_ns[own], kernels_ns[own]),
            )
        )
    return tuple(sorted(found, key=lambda each: -len(each.paused)))


def _kernels(timeline: Timeline, runs: Int64s) -> tuple[Int64s, Int64s]:
    """(how long each run's kernels took, the number of their sequence; NONE for other runs and those without one)."""
    spans, ops = timeline.spans, timeline.device_ops
    run = timeline.links.run[ops.span]
    kept = np.flatnonzero(np.isin(run, runs) & (spans.kind[ops.span] == Kind.KERNEL))
    total_ns = sum_by_group(run[kept], spans.duration_ns[ops.span[kept]], len(timeline.runs))
    sequence = np.full(len(timeline.runs), NONE, np.int64)
    numbers: dict[bytes, int] = {}
    for row, own in rows_by_value(run[kept]):
        ordered = kept[own[np.argsort(spans.correlation[ops.span[kept[own]]], kind="stable")]]
        signature = spans.name[ops.span[ordered]].tobytes() + ops.blocks[ordered].tobytes()
        sequence[row] = numbers.setdefault(signature, len(numbers))
    return total_ns, sequence


def _idle_before(timeline: Timeline) -> Int64s:
    """How long the device of each run had been idle when the run's first work began.

    NONE for a run without work, with other work among its own on the device, and for the first one in a window.
    """
    spans, ops = timeline.spans, timeline.device_ops
    idle_ns = np.full(len(timeline.runs), NONE, np.int64)
    window_start_ns = np.concatenate(([0], recorded_windows(timeline)[0]))
    for _, of_device in rows_by_value(ops.device):
        begin_ns, end_ns = spans.start_ns[ops.span[of_device]], spans.end_ns[ops.span[of_device]]
        run = timeline.links.run[ops.span[of_device]]
        order = np.argsort(run, kind="stable")
        rows, border, count = np.unique(run[order], return_index=True, return_counts=True)
        # Work is in time order, so the first of each run is where its rows begin.
        first, last_ns = order[border], np.maximum.reduceat(end_ns[order], border)
        started = np.searchsorted(begin_ns, last_ns, side="left")
        among = started - np.searchsorted(np.sort(end_ns), begin_ns[first], side="right")
        before_ns = np.concatenate(([NONE], np.maximum.accumulate(end_ns)))[first]
        window_ns = window_start_ns[np.searchsorted(window_start_ns[1:], begin_ns[first], side="right")]
        alone = (rows != NONE) & (among == count) & (before_ns > window_ns)
        idle_ns[rows[alone]] = begin_ns[first[alone]] - before_ns[alone]
    return idle_ns


def _rank_correlation(first: Int64s, second: Int64s) -> float | None:
    if len(first) < 2 or _constant(first) or _constant(second):
        return None
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _constant(values: Int64s) -> bool:
    return bool(values.min() == values.max())


def _ranks(values: Int64s) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[place]
