"""What must not be more than in another capture: every count that both captures tell, and the times of runs."""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.comparison import Comparison, compare
from ortprobe.analysis.comparison.verdict import Outcome, gate_of
from ortprobe.rules.gate.budget import Limit, LimitResult, judge_limit
from ortprobe.rules.gate.measured import Measured, Metric, Unit, unknown
from ortprobe.rules.gate.metrics import METRICS
from ortprobe.rules.gate.standing import Standing

_OUTCOMES = {
    Outcome.SLOWER: Standing.FAILED,
    Outcome.CANT_TELL: Standing.CANT_TELL,
    Outcome.SAME: Standing.PASSED,
    Outcome.FASTER: Standing.PASSED,
}
_MORE_TIME = Metric(
    key="times",
    unit=Unit.SHARE,
    meaning="how much longer the runs take than those of the baseline, as ortprobe diff tells",
    measure=lambda _: unknown("there is no baseline to compare with"),
)


def judge_times(analyses: Analyses, baseline: Analyses, source: str, smallest: float) -> LimitResult:
    """Whether runs take longer than in the baseline by this share or more.

    The bounds are those of the interval in which the change lies in 95 of 100 comparisons, for the session that takes
    the most time. That the two are the same has to be as sure as that they are not.
    """
    comparison = compare([baseline], [analyses], gate_of(smallest))
    limit = Limit(metric=_MORE_TIME, most=smallest, source=source)
    standing = _OUTCOMES[comparison.verdict.outcome]
    return LimitResult(limit=limit, measured=_more_time(comparison), standing=standing, comparison=comparison)


def _more_time(comparison: Comparison) -> Measured:
    if comparison.main is None:
        return unknown("no session ran in both captures")
    session = comparison.sessions[comparison.main]
    measured = session.measured(session.by)
    if measured is None:
        return unknown("the captures have too few runs to compare")
    return Measured(low=measured.change.low - 1, high=measured.change.high - 1, why="runs vary")


def judge_growth(analyses: Analyses, baseline: Analyses, source: str) -> tuple[LimitResult, ...]:
    """Each count against that of the baseline.

    What the baseline does not tell is SKIPPED: nobody promised it. What only the baseline tells is CANT_TELL.
    """
    return tuple(_judge(metric, analyses, baseline, source) for metric in METRICS if metric.structural)


def _judge(metric: Metric, analyses: Analyses, baseline: Analyses, source: str) -> LimitResult:
    before = judge_limit(Limit(metric=metric, most=0, source=source), baseline).measured
    if before.exact is None:
        limit = Limit(metric=metric, most=before.low, source=source)
        unsaid = Measured(low=0, high=None, why=f"the baseline does not tell: {before.why}")
        return LimitResult(limit=limit, measured=unsaid, standing=Standing.SKIPPED)
    return judge_limit(Limit(metric=metric, most=before.exact, source=source), analyses)
