"""Asks every rule; one that crashes takes nobody with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.finding import Finding, Outcome, Passed, RuleFailed, Severity
from ortprobe.rules.registry import RULES
from ortprobe.rules.rule import Rule

_GRAVITY = (Severity.ERROR, Severity.WARNING, Severity.INFO)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What one rule said."""

    rule: Rule
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What all rules said about one capture."""

    analyses: Analyses
    judged: tuple[Judged, ...]
    """In the order of the rules."""
    findings: tuple[Finding, ...]
    """The gravest first, then the dearest; a cost nobody knows comes last."""

    @property
    def has_verdict(self) -> bool:
        """Whether the capture holds what a verdict needs: nothing that undermines it, and a rule that could judge."""
        could_judge = any(isinstance(judged.outcome, Finding | Passed) for judged in self.judged)
        return could_judge and not self.analyses.integrity.undermining


def judge(analyses: Analyses, rules: Sequence[Rule] = RULES) -> Judgement:
    """Ask the rules about this capture."""
    judged = tuple(Judged(rule=rule, outcome=_ask(rule, analyses)) for rule in rules)
    findings = [each.outcome for each in judged if isinstance(each.outcome, Finding)]
    return Judgement(analyses=analyses, judged=judged, findings=tuple(sorted(findings, key=_rank)))


def _ask(rule: Rule, analyses: Analyses) -> Outcome:
    try:
        return rule.check(analyses)
    except Exception as error:  # a rule's bug must not cost the user the other rules' answers
        return RuleFailed(error=f"{type(error).__name__}: {error}")


def _rank(finding: Finding) -> tuple[int, int, str]:
    cost_ns = -1 if finding.cost_ns is None else finding.cost_ns
    return _GRAVITY.index(finding.severity), -cost_ns, finding.code
