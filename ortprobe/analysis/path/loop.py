"""The program's loop: a stretch of steady runs that a torch trace watched, to be replayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import gpu_traced, recorded_windows
from ortprobe.analysis.runs.run_times import HOOKS_ALONE, ORT_AND_TORCH, TORCH_ALONE, RunTimes
from ortprobe.analysis.runs.spread import median_ns
from ortprobe.timeline import NONE, Bools, Int64s, Timeline

MOST_RUNS = 30
"""More runs of one loop tell nothing that these don't."""
FEWEST_RUNS = 3
"""Fewer are no loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Consecutive runs on one thread, from the start of the first to the start of the one after the last."""

    runs: Int64s
    """Rows in `Timeline.runs` of the runs of the loop, in time order; the run that ends it is not among them."""
    lane: int
    start_ns: int
    end_ns: int
    done_ns: int
    """When the device work launched meanwhile was done, or `end_ns` where that is later."""
    untraced_pace_ns: int | None
    """Median time from the start of one run to the next, of the same session on the same thread and line of the program
    with nothing but the hooks attached; None where there are too few."""

    @property
    def pace_ns(self) -> int:
        """Time for one run with all that is around it, the device's work included."""
        return (self.done_ns - self.start_ns) // len(self.runs)


def find_loop(timeline: Timeline, times: RunTimes) -> Loop | None:
    """The longest loop under torch's profiler alone, else with ORT's profile too; None where nothing was watched.

    First runs of sessions and runs that raised are in no loop, and no session is made in the middle of one.
    """
    steady = gpu_traced(timeline) & (times.index_in_session > 0) & ~times.failed
    for attached in (TORCH_ALONE, ORT_AND_TORCH):
        found = _longest_stretch(timeline, steady & (times.attached == attached))
        if len(found) > FEWEST_RUNS:
            return _loop(timeline, times, found[-MOST_RUNS - 1 :])
    return None


def _longest_stretch(timeline: Timeline, chosen: Bools) -> Int64s:
    """The most chosen runs of one thread and session without another run of that thread, a new session or the end of a
    recorded window between them; of several as long the last: what a program does for its answers comes first."""
    runs = timeline.runs
    window = np.searchsorted(recorded_windows(timeline)[0], runs.start_ns, side="right")
    made_ns = np.sort(np.array([session.start_ns for session in timeline.sessions], np.int64))
    since_made = np.searchsorted(made_ns, runs.start_ns)
    best: Int64s = np.zeros(0, np.int64)
    for lane in np.unique(runs.lane[chosen]).tolist():
        mine = np.flatnonzero(runs.lane == lane)
        keys = np.stack([chosen[mine], runs.session[mine], window[mine], since_made[mine]])
        borders = np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)) + 1
        for stretch in np.split(mine, borders):
            if len(stretch) >= len(best) and chosen[stretch[0]]:
                best = stretch
    return best


def _loop(timeline: Timeline, times: RunTimes, rows: Int64s) -> Loop:
    runs, spans, ops = timeline.runs, timeline.spans, timeline.device_ops.span
    start_ns, end_ns = int(runs.start_ns[rows[0]]), int(runs.start_ns[rows[-1]])
    launch = timeline.links.launch[ops]
    launched_ns = np.where(launch == NONE, spans.start_ns[ops], spans.start_ns[launch])
    meanwhile = ops[(launched_ns >= start_ns) & (launched_ns < end_ns)]
    return Loop(
        runs=rows[:-1],
        lane=int(runs.lane[rows[0]]),
        start_ns=start_ns,
        end_ns=end_ns,
        done_ns=max(int(spans.end_ns[meanwhile].max(initial=end_ns)), end_ns),
        untraced_pace_ns=_untraced_pace_ns(timeline, times, int(rows[0])),
    )


def _untraced_pace_ns(timeline: Timeline, times: RunTimes, like: int) -> int | None:
    """Pace of runs like this one, made by the same line of the program, with nothing attached."""
    runs = timeline.runs
    mine = np.flatnonzero(runs.lane == runs.lane[like])
    plain = (times.attached[mine] == HOOKS_ALONE) & (runs.session[mine] == runs.session[like]) & ~times.failed[mine]
    plain &= times.index_in_session[mine] > 0
    sites = timeline.hooks.sites_of(runs.hook_span[mine])
    plain &= sites == sites[np.searchsorted(mine, like)]
    both = plain[1:] & plain[:-1]
    return median_ns(np.diff(runs.start_ns[mine])[both]) if both.sum() >= FEWEST_RUNS else None
