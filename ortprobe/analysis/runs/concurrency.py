"""Runs that are in flight at once: what running them at once gained over running them one after another.

A run that takes longer while others are in flight does so much less of its work in each moment. So in each moment the
work done is the sum, over the runs in flight, of what such a run takes alone divided by what this one took. At 1
nothing was gained: the runs could as well have waited for one another. Below 1 they got in one another's way.

Alone is the median of the steady runs of the same session, with the same attached, that no other run overlapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.timeline import NONE, Bools, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import Intervals, union

Float64s = NDArray[np.float64]

FEWEST_ALONE = 5
"""Runs of a session without others beside them that its time alone is the median of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """Some runs of a timeline, as far as several of them were in flight at once."""

    runs: Int64s
    """Rows in `Timeline.runs` of those that another of them overlapped."""
    most: int
    """Most in flight at once."""
    together: Intervals
    """When two and more were in flight: disjoint, sorted."""
    compared_ns: int
    """How long of that the runs in flight were all of sessions whose time alone is known; 0 where it never is."""
    alone_ns: int
    """What the work done in that time takes when the runs wait for one another."""

    @property
    def together_ns(self) -> int:
        return int((self.together[1] - self.together[0]).sum())

    @property
    def gain(self) -> float | None:
        """Work done in each moment: 1 is no gain, 2 is twice the work; None where no run's time alone is known."""
        return self.alone_ns / self.compared_ns if self.compared_ns else None


def concurrency_of(timeline: Timeline, times: RunTimes, chosen: Bools) -> Concurrency:
    """What running the chosen runs at once gave. `chosen` has one entry for each run; failed ones are left out."""
    runs = timeline.runs
    rows = np.flatnonzero(chosen & ~times.failed & (runs.end_ns > runs.start_ns))
    edges_ns, begin, end = _moments(runs.start_ns[rows], runs.end_ns[rows])
    flying = _in_flight(begin, end, len(edges_ns))
    several = flying >= 2
    beside = np.concatenate(([0], np.cumsum(several)))
    overlapped = beside[end] > beside[begin]
    alone_ns = _alone(timeline, times, rows[~overlapped], rows)
    known = alone_ns != NONE
    unknown = _in_flight(begin[~known], end[~known], len(edges_ns))
    each = np.where(known, alone_ns / times.latency_ns[rows], 0.0)
    length_ns = np.diff(edges_ns, append=edges_ns[-1:])
    compared = several & (unknown == 0)
    work_ns = _pace(begin, end, each, len(edges_ns)) * length_ns
    return Concurrency(
        runs=rows[overlapped],
        most=int(flying.max(initial=0)),
        together=union(edges_ns[several], (edges_ns + length_ns)[several]),
        compared_ns=int(length_ns[compared].sum()),
        alone_ns=round(float(work_ns[compared].sum())),
    )


def demand_of(timeline: Timeline, chosen: Int64s, pools: Sequence[int]) -> tuple[Int64s, Int64s]:
    """(moments at which runs begin or end, threads that want a processor from each of them on).

    `pools` says how many threads compute for one run of each session, its calling thread among them: those of the pool
    are shared by its runs, the calling threads are not. NONE as a session counts one thread.
    """
    runs = timeline.runs
    edges_ns, begin, end = _moments(runs.start_ns[chosen], runs.end_ns[chosen])
    wanted = np.zeros(len(edges_ns), np.int64)
    for session, of_session in rows_by_value(runs.session[chosen]):
        callers = _in_flight(begin[of_session], end[of_session], len(edges_ns))
        workers = pools[session] - 1 if session != NONE else 0
        wanted += callers + np.where(callers > 0, workers, 0)
    return edges_ns, wanted


def _moments(start_ns: Int64s, end_ns: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """(all beginnings and ends in order, each once, where among them each interval begins, where it ends)."""
    edges_ns, places = np.unique(np.concatenate((start_ns, end_ns)), return_inverse=True)
    return edges_ns, places[: len(start_ns)], places[len(start_ns) :]


def _in_flight(begin: Int64s, end: Int64s, moments: int) -> Int64s:
    """How many of the intervals are open from each moment on."""
    return np.cumsum(np.bincount(begin, minlength=moments) - np.bincount(end, minlength=moments))


def _pace(begin: Int64s, end: Int64s, each: Float64s, moments: int) -> Float64s:
    """The same, each interval counted as so much."""
    return np.cumsum(np.bincount(begin, each, moments) - np.bincount(end, each, moments))


def _alone(timeline: Timeline, times: RunTimes, alone: Int64s, rows: Int64s) -> Int64s:
    """For each of `rows`, the median of its like among `alone`; NONE where too few of them ran alone."""
    runs = timeline.runs
    alone = alone[times.steady[alone]]
    kind = runs.session.astype(np.int64) << 8 | runs.attached
    found = np.full(len(rows), NONE, np.int64)
    for value, own in rows_by_value(kind[alone]):
        if len(own) >= FEWEST_ALONE and value >= 0:
            found[kind[rows] == value] = int(np.median(times.latency_ns[alone[own]]))
    return found
