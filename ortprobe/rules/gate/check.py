"""The whole check: findings, budgets and growth, and whether the capture passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortprobe.rules.engine import Judged, Judgement
from ortprobe.rules.finding import Finding
from ortprobe.rules.gate.budget import Limit, LimitResult, judge_limit
from ortprobe.rules.gate.policy import Policy
from ortprobe.rules.gate.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What one rule said, and what that means here."""

    judged: Judged
    standing: Standing
    finding: Finding | None
    """What it found, with its cost as the judgement counts it; None where it found nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Everything that was checked of one capture."""

    judgement: Judgement
    rules: tuple[RuleResult, ...]
    """In the order of the rules."""
    budgets: tuple[LimitResult, ...]
    """In the order in which they were given."""
    growth: tuple[LimitResult, ...]
    """Against the baseline; empty without one."""
    blind: str
    """Why the capture allows no verdict; empty where it does."""

    @property
    def limits(self) -> tuple[LimitResult, ...]:
        """Budgets, then growth."""
        return self.budgets + self.growth

    def is_growth(self, result: LimitResult) -> bool:
        """Whether a limit is the baseline's, and not a budget."""
        return any(result is each for each in self.growth)

    @property
    def standing(self) -> Standing:
        """PASSED, FAILED where anything failed, else CANT_TELL where anything could not be told."""
        each = {result.standing for result in self.rules} | {result.standing for result in self.limits}
        if Standing.FAILED in each:
            return Standing.FAILED
        return Standing.CANT_TELL if self.blind or Standing.CANT_TELL in each else Standing.PASSED


def check(
    judgement: Judgement, policy: Policy, budgets: Sequence[Limit] = (), growth: Sequence[LimitResult] = ()
) -> Check:
    """Hold a judged capture against what is asked of it."""
    found = {finding.code: finding for finding in judgement.findings}
    rules = tuple(
        RuleResult(judged=each, standing=policy.standing(each), finding=found.get(each.rule.code))
        for each in judgement.judged
    )
    return Check(
        judgement=judgement,
        rules=rules,
        budgets=tuple(judge_limit(limit, judgement.analyses) for limit in budgets),
        growth=tuple(growth),
        blind=_blind(judgement, growth),
    )


def _blind(judgement: Judgement, growth: Sequence[LimitResult]) -> str:
    undermining = judgement.analyses.integrity.undermining
    if undermining:
        return undermining[0].detail
    if not judgement.has_verdict:
        return "the capture holds none of the evidence that the rules need"
    if growth and all(result.standing is Standing.SKIPPED for result in growth):
        return "the baseline tells none of the counts that would be compared"
    return ""
