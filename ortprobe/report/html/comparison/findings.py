"""Findings of both sides beside one another: which are gone, which came, which stayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ortprobe.report.html.findings import (
    EvidenceButton,
    FindingView,
    ProblemView,
    finding_views,
    problem_views,
)
from ortprobe.report.html.side import Side
from ortprobe.rules.engine import Judgement
from ortprobe.rules.finding import Finding, NotApplicable, RuleFailed
from ortprobe.units import format_ns


class Fate(StrEnum):
    """What became of a finding."""

    CAME = "new"
    STAYED = "still there"
    FIXED = "fixed"
    CANT_TELL = "can't tell"
    """One side has it, and the other could not be judged."""


@dataclass(frozen=True, slots=True)
class FateView:
    """A finding of one side or both as the page shows it."""

    fate: Fate
    finding: FindingView
    """Of after, or of before where it is gone."""
    before: str
    """Its cost a run; empty where the side has none."""
    after: str
    why: str
    """Why it can't be told what became of it; else empty."""


def fates(before: Side, after: Side) -> dict[Fate, tuple[FateView, ...]]:
    """All findings of both sides by what became of them, each in the ranking of its side."""
    views = [_of_side(finding_views(side.judgement), side) for side in (before, after)]
    both = [_by_code(side.judgement.findings) for side in (before, after)]
    found: dict[Fate, list[FateView]] = {fate: [] for fate in Fate}
    for view in (*views[1], *(view for view in views[0] if view.code not in both[1])):
        was, is_now = (side.get(view.code) for side in both)
        unjudged = [_not_judged(side.judgement, view.code) for side in (before, after)]
        fate, why = _fate(was, is_now, *unjudged)
        found[fate].append(FateView(fate, view, _cost(was), _cost(is_now), why))
    return {fate: tuple(each) for fate, each in found.items()}


def _fate(was: Finding | None, is_now: Finding | None, unjudged_before: str, unjudged_after: str) -> tuple[Fate, str]:
    if was and is_now:
        return Fate.STAYED, ""
    if was:
        return (Fate.CANT_TELL, f"not judged after: {unjudged_after}") if unjudged_after else (Fate.FIXED, "")
    return (Fate.CANT_TELL, f"not judged before: {unjudged_before}") if unjudged_before else (Fate.CAME, "")


def _not_judged(judgement: Judgement, code: str) -> str:
    """Why a rule said nothing of this side; empty where it did."""
    for judged in judgement.judged:
        outcome = judged.outcome
        if judged.rule.code == code and isinstance(outcome, RuleFailed):
            return f"the rule itself broke: {outcome.error}"
        if judged.rule.code == code and isinstance(outcome, NotApplicable) and outcome.evidence_missing:
            return outcome.why
    return ""


def problems_of(side: Side) -> tuple[ProblemView, ...]:
    """Problems of one capture with their evidence on the page of both."""
    return tuple(replace(view, evidence=_evidence_of(view.evidence, side)) for view in problem_views(side.judgement))


def _of_side(views: Sequence[FindingView], side: Side) -> list[FindingView]:
    """With evidence and anchors of their own on the page."""
    return [
        replace(view, anchor=f"{view.anchor}-{side.label}", evidence=_evidence_of(view.evidence, side))
        for view in views
    ]


def _evidence_of(buttons: Sequence[EvidenceButton], side: Side) -> tuple[EvidenceButton, ...]:
    return tuple(EvidenceButton(side.key(each.key), each.label) for each in buttons)


def _by_code(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings}


def _cost(finding: Finding | None) -> str:
    if finding is None:
        return ""
    if finding.cost_per_run_ns is not None:
        return f"{format_ns(finding.cost_per_run_ns)} a run"
    return f"{finding.count:,} ×"
