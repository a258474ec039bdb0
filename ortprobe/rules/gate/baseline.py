"""What must not be more than in another capture: every count that both captures tell."""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.gate.budget import Limit, LimitResult, judge_limit
from ortprobe.rules.gate.measured import Measured, Metric
from ortprobe.rules.gate.metrics import METRICS
from ortprobe.rules.gate.standing import Standing


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
