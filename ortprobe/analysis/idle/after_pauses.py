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
    """Each group of runs that can be compared, those with the most runs after pauses first."""
    kernels_ns, sequence = _kernels(timeline)
    idle_ns = _idle_before(timeline)
    usable = times.steady & (idle_ns != NONE) & (sequence != NONE) & (timeline.runs.session != NONE)
    rows = np.flatnonzero(usable)
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


def _kernels(timeline: Timeline) -> tuple[Int64s, Int64s]:
    """(how long each run's kernels took, the number of their sequence; NONE for runs without one)."""
    spans, ops = timeline.spans, timeline.device_ops
    run = timeline.links.run[ops.span]
    kept = np.flatnonzero((run != NONE) & (spans.kind[ops.span] == Kind.KERNEL))
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

    NONE for a run without work, with other work among its own on the device, and for the first one in a
    window.
    """
    spans, ops = timeline.spans, timeline.device_ops
    idle_ns = np.full(len(timeline.runs), NONE, np.int64)
    window_start_ns, _ = recorded_windows(timeline)
    for _, of_device in rows_by_value(ops.device):
        begin_ns = spans.start_ns[ops.span[of_device]]
        ends_ns = np.sort(spans.end_ns[ops.span[of_device]])
        reach_ns = np.maximum.accumulate(spans.end_ns[ops.span[of_device]])
        run = timeline.links.run[ops.span[of_device]]
        for row, own in rows_by_value(run):
            if row == NONE:
                continue
            first, last_ns = int(own[0]), int(spans.end_ns[ops.span[of_device[own]]].max())
            start_ns = int(begin_ns[first])
            among = np.searchsorted(begin_ns, last_ns, side="left") - np.searchsorted(ends_ns, start_ns, side="right")
            before_ns = int(reach_ns[first - 1]) if first else NONE
            window_ns = window_start_ns[np.searchsorted(window_start_ns, start_ns, side="right") - 1]
            alone = among == len(own) and idle_ns[row] == NONE
            idle_ns[row] = start_ns - before_ns if alone and before_ns > window_ns else NONE
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
