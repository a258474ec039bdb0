"""How the times of the runs of one session changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.bootstrap import MEDIAN, PROCESS_SPREAD, Change, change_of
from ortprobe.analysis.comparison.session_matches import MatchedSession, SessionOfSide
from ortprobe.analysis.comparison.verdict import Gate, Verdict, verdict_of
from ortprobe.analysis.runs.run_times import HOOKS_ALONE, ORT_AND_TORCH, TORCH_ALONE
from ortprobe.analysis.runs.spread import FEWEST_FOR_P99
from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.timeline import Int64s

FEWEST_RUNS = 10
"""Steady runs that each side needs, over all of its captures: of fewer the interval holds the truth less often than it
says (simulated: 93 of 100 comparisons of 10 runs, 84 of 5)."""
CHEAPEST_FIRST = (HOOKS_ALONE, TORCH_ALONE, ATTACHED_ORT_PROFILE, ORT_AND_TORCH)
"""What can be attached, in the order in which it slows runs down."""
FIRST_RUN_SPREAD = 0.10
"""How much first runs of processes that do the same differ (standard deviation of logarithms), as assumed: they load
code, allocate and choose algorithms."""


class Measure(StrEnum):
    MEDIAN = "median"
    """Latency of steady runs: what the verdict is about."""
    P99 = "p99"
    FIRST = "first"
    """Latency of the first run."""
    PERIOD = "period"
    """Start of a run to the start of the next one: the program's pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureChange:
    measure: Measure
    attached: int
    """What was attached to the runs of both sides."""
    change: Change
    verdict: Verdict


Sides = tuple[Sequence[Analyses], Sequence[Analyses]]


def measure_changes(sides: Sides, session: MatchedSession, gate: Gate) -> tuple[MeasureChange, ...]:
    """The measures that both sides have runs enough for, of runs with the same attached, which is as little as
    possible."""
    found: list[MeasureChange | None] = [
        _measure(sides, session, gate, Measure.MEDIAN, FEWEST_RUNS),
        _measure(sides, session, gate, Measure.P99, FEWEST_FOR_P99),
        _measure(sides, session, gate, Measure.FIRST, 1),
        _measure(sides, session, gate, Measure.PERIOD, FEWEST_RUNS),
    ]
    return tuple(each for each in found if each is not None)


def _measure(sides: Sides, session: MatchedSession, gate: Gate, measure: Measure, fewest: int) -> MeasureChange | None:
    if session.before is None or session.after is None:
        return None
    owners = session.before, session.after
    for attached in CHEAPEST_FIRST:
        before, after = (_times(side, own, measure, attached) for side, own in zip(sides, owners, strict=True))
        if min(sum(map(len, before)), sum(map(len, after))) < fewest:
            continue
        quantile = 0.99 if measure is Measure.P99 else MEDIAN
        change = change_of(before, after, quantile, FIRST_RUN_SPREAD if measure is Measure.FIRST else PROCESS_SPREAD)
        if change is not None:
            return MeasureChange(measure=measure, attached=attached, change=change, verdict=verdict_of(change, gate))
    return None


def _times(side: Sequence[Analyses], own: SessionOfSide, measure: Measure, attached: int) -> list[Int64s]:
    """Of each capture that has such runs, in their order."""
    found = []
    for analyses, mine in zip(side, own.runs_of(side), strict=True):
        runs = analyses.runs
        chosen = mine & (runs.attached == attached)
        if measure is Measure.FIRST:
            first = np.flatnonzero(mine)[:1]
            first = first[(runs.index_in_session[first] == 0) & ~runs.failed[first] & chosen[first]]
            times_ns = runs.latency_ns[first]
        elif measure is Measure.PERIOD:
            times_ns = runs.period_ns[chosen & runs.steady_period]
        else:
            times_ns = runs.latency_ns[chosen & runs.steady]
        if len(times_ns):
            found.append(times_ns)
    return found
