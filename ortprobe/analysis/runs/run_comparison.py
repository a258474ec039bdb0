"""The slowest run against the median run: which phase, node, wait or gap makes the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.idle.device_idle import Idle
from ortprobe.analysis.runs.run_differences import (
    IdleDifference,
    NodeDifference,
    NodesOfRuns,
    ShapeDifference,
    WaitDifference,
    WaitsOfRuns,
    idle_differences,
)
from ortprobe.analysis.runs.run_phases import BY_LAUNCHES, BY_PROFILE, DividedBy, Phase, RunPhases, in_parts
from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value

FEWEST_TO_COMPARE = 5
"""Of fewer runs the slowest one is no exception."""

Reason = NodeDifference | WaitDifference | IdleDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseDifference:
    """One phase of both runs; None as phase stands for the whole run, where nothing divides both in the same way."""

    phase: Phase | None
    slow_ns: int
    median_ns: int

    @property
    def more_ns(self) -> int:
        return self.slow_ns - self.median_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """The slowest and the median of the steady runs of one session that had the same attached."""

    session: int
    attached: int
    runs: int
    """How many runs these two are out of."""
    slow: int
    """Row in `Timeline.runs`: the slowest."""
    median: int
    """The run whose latency is the median; of an even number, the quicker one of the two in the middle."""
    slow_ns: int
    median_ns: int
    phases: tuple[PhaseDifference, ...]
    """The same phases of both in their order. What they have more sums to `difference_ns` exactly."""
    nodes: tuple[NodeDifference, ...]
    waits: tuple[WaitDifference, ...]
    idle: tuple[IdleDifference, ...]
    """Inside of the calls."""
    slow_busy_ns: int | None
    """Union of the device work that the run launched; None without a GPU trace of both."""
    median_busy_ns: int | None
    shapes: tuple[ShapeDifference, ...]

    @property
    def difference_ns(self) -> int:
        return self.slow_ns - self.median_ns

    @property
    def explained(self) -> bool:
        """Whether anything is known of what happened inside of both runs."""
        return len(self.phases) > 1

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What the slow run has more of, the most first: time of nodes, waits for others' work, idle time.

        A wait for the run's own work is no reason: the nodes and the idle time are. They can overlap, so they don't sum
        to the difference. Of equals, nodes come before waits and those before idle time.
        """
        foreign = [wait for wait in self.waits if wait.foreign]
        several: list[Reason] = [*self.nodes, *foreign, *self.idle]
        return tuple(sorted((each for each in several if each.largest_ns > 0), key=lambda each: -each.largest_ns))


def compute_comparisons(
    timeline: Timeline, runs: RunTimes, phases: RunPhases, waits: WaitTimes, idle: Idle
) -> tuple[RunComparison, ...]:
    """For each session and each thing attached with enough runs; those with the largest difference first.

    Like is compared with like: neither first runs nor runs that raised, of one session, with the same attached. Idle
    time is told of runs that torch's profiler watched from end to end.
    """
    count, slow, median = _slowest_and_median(timeline, runs)
    both = np.concatenate((slow, median))
    nodes, waited = NodesOfRuns(timeline, both), WaitsOfRuns(timeline, waits, both)
    start_ns, end_ns = timeline.runs.start_ns, timeline.runs.end_ns
    watched = (runs.device_busy_ns[slow] != NONE) & (runs.device_busy_ns[median] != NONE)
    idles = idle_differences(idle.devices, (start_ns[slow], end_ns[slow]), (start_ns[median], end_ns[median]))
    found = []
    for row, (a, b) in enumerate(zip(slow.tolist(), median.tolist(), strict=True)):
        found.append(
            RunComparison(
                session=int(timeline.runs.session[a]),
                attached=int(runs.attached[a]),
                runs=int(count[row]),
                slow=a,
                median=b,
                slow_ns=int(runs.latency_ns[a]),
                median_ns=int(runs.latency_ns[b]),
                phases=phase_differences(runs, phases, a, b),
                nodes=nodes.node_differences(a, b),
                waits=waited.differences(a, b),
                idle=idles[row] if watched[row] else (),
                slow_busy_ns=int(runs.device_busy_ns[a]) if watched[row] else None,
                median_busy_ns=int(runs.device_busy_ns[b]) if watched[row] else None,
                shapes=nodes.shape_differences(a, b),
            )
        )
    return tuple(sorted(found, key=lambda each: -each.difference_ns))


def _slowest_and_median(timeline: Timeline, times: RunTimes) -> tuple[Int64s, Int32s, Int32s]:
    """(how many, the slowest, the median one) of each session and attachment that has enough steady runs."""
    runs = timeline.runs
    rows = np.flatnonzero(times.steady & (runs.session != NONE))
    kind = runs.session[rows].astype(np.int64) << 8 | runs.attached[rows]
    groups = [rows[found] for _, found in rows_by_value(kind) if len(found) >= FEWEST_TO_COMPARE]
    ordered = [group[np.argsort(times.latency_ns[group], kind="stable")] for group in groups]
    return (
        np.array([len(group) for group in ordered], np.int64),
        np.array([group[-1] for group in ordered], np.int32),
        np.array([group[(len(group) - 1) // 2] for group in ordered], np.int32),
    )


def phase_differences(runs: RunTimes, phases: RunPhases, slow: int, median: int) -> tuple[PhaseDifference, ...]:
    """By the finest division that both runs have; the sum is the difference of their latencies."""
    coarse = BY_PROFILE if min(phases.divided_by[[slow, median]]) == DividedBy.PROFILE else BY_LAUNCHES
    whole_ns = int(runs.latency_ns[slow]), int(runs.latency_ns[median])
    for division in (in_parts(coarse), coarse, BY_LAUNCHES):
        of_slow, of_median = phases.measured(slow, division), phases.measured(median, division)
        if (sum(of_slow.values()), sum(of_median.values())) == whole_ns and of_slow.keys() == of_median.keys():
            return tuple(
                PhaseDifference(phase=phase, slow_ns=of_slow[phase], median_ns=of_median[phase]) for phase in of_slow
            )
    return (PhaseDifference(phase=None, slow_ns=whole_ns[0], median_ns=whole_ns[1]),)
