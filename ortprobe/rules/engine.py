"""Asks every rule; one that crashes takes nobody with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.overhead import Overhead
from ortprobe.rules.costs import count_once
from ortprobe.rules.finding import Confidence, Finding, Outcome, Passed, RuleFailed, Severity
from ortprobe.rules.registry import RULES
from ortprobe.rules.rule import Rule
from ortprobe.units import format_ns

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
    """The gravest first, then those whose mending saves most; what nobody knows the worth of comes last."""

    @property
    def has_verdict(self) -> bool:
        """Whether the capture holds what a verdict needs: nothing that undermines it, and a rule that could judge."""
        return bool(self.could_judge) and not self.analyses.integrity.undermining

    @property
    def could_judge(self) -> int:
        """How many rules about the program, not the capture, could judge it."""
        return sum(isinstance(each.outcome, Finding | Passed) and each.rule.is_of_program for each in self.judged)


def judge(analyses: Analyses, rules: Sequence[Rule] = RULES) -> Judgement:
    """Ask the rules about this capture."""
    judged = tuple(Judged(rule=rule, outcome=_ask(rule, analyses)) for rule in rules)
    findings = [each.outcome for each in judged if isinstance(each.outcome, Finding)]
    ranked = count_once(sorted(findings, key=_rank), len(analyses.timeline.runs))
    return Judgement(analyses=analyses, judged=judged, findings=ranked)


def _ask(rule: Rule, analyses: Analyses) -> Outcome:
    try:
        outcome = rule.check(analyses)
        return _weighed(outcome, analyses.overhead) if isinstance(outcome, Finding) else outcome
    except Exception as error:  # a rule's bug must not cost the user the other rules' answers
        return RuleFailed(error=f"{type(error).__name__}: {error}")


def _weighed(finding: Finding, overhead: Overhead) -> Finding:
    """A finding that costs less each time than tracing adds to a run can be tracing's own doing, and says so."""
    traced_ns, untraced_ns = overhead.traced_median_ns, overhead.untraced_median_ns
    if not finding.cost_ns or overhead.ratio is None or traced_ns is None or untraced_ns is None:
        return finding
    added_ns, each_ns = traced_ns - untraced_ns, finding.cost_ns // max(finding.count, 1)
    if each_ns >= added_ns:
        return finding
    doubt = f"Each time it costs {format_ns(each_ns)}, and tracing adds {format_ns(added_ns)} to a run, so it may be "
    return replace(
        finding, confidence=Confidence.LIKELY, detail=f"{finding.detail} {doubt}the work of tracing.".lstrip()
    )


def _rank(finding: Finding) -> tuple[int, int, str]:
    worth_ns = -1 if finding.worth_ns is None else finding.worth_ns
    return _GRAVITY.index(finding.severity), -worth_ns, finding.code
