"""Findings of both sides as the page shows them: which came, which stayed, which are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ortprobe.report.html.findings import (
    EvidenceButton,
    FindingView,
    ProblemView,
    finding_views,
    problem_views,
    undecided,
)
from ortprobe.report.html.side import Side
from ortprobe.rules.engine import Judgement
from ortprobe.rules.finding import Finding
from ortprobe.rules.finding_changes import FindingChange, FindingStatus
from ortprobe.units import format_ns

_STATUS_LABELS: Mapping[FindingStatus, str] = {
    FindingStatus.NEW: "new",
    FindingStatus.CANT_TELL: "can't tell",
    FindingStatus.SAME: "still there",
    FindingStatus.FIXED: "fixed",
}


@dataclass(frozen=True, slots=True)
class ChangeView:
    """What became of a finding."""

    finding: FindingView
    """Of after, or of before where it is gone; without evidence where it is not in the captures on the page."""
    before: str
    """Its cost a run, or how often it is; empty where the side has none."""
    after: str
    why: str
    """Why one side could not be judged; else empty."""


@dataclass(frozen=True, slots=True)
class Group:
    """Findings that the same became of."""

    label: str
    changes: tuple[ChangeView, ...]


def grouped_findings(
    changes: Sequence[FindingChange],
    sides: tuple[Side, Side],
    captures: tuple[Sequence[Judgement], Sequence[Judgement]],
) -> tuple[Group, ...]:
    """In the order of `compare_findings`."""
    return tuple(
        Group(_STATUS_LABELS[status], tuple(_view(each, sides, captures) for each in same))
        for status, same in groupby(changes, key=lambda each: each.status)
    )


def problems_of(side: Side) -> tuple[ProblemView, ...]:
    """Problems of one capture, with their evidence where the page has it."""
    return tuple(replace(view, evidence=_evidence_of(view.evidence, side)) for view in problem_views(side.judgement))


def _view(
    change: FindingChange, sides: tuple[Side, Side], captures: tuple[Sequence[Judgement], Sequence[Judgement]]
) -> ChangeView:
    number = 1 if change.after else 0
    unjudged = [each for side in captures for judgement in side for each in undecided(judgement)]
    why = next((each.why for each in unjudged if each.code == change.code), "")
    return ChangeView(
        finding=_finding(change.code, sides[number], captures[number]),
        before=_cost(change.before),
        after=_cost(change.after),
        why=why if change.status is FindingStatus.CANT_TELL else "",
    )


def _finding(code: str, side: Side, captures: Sequence[Judgement]) -> FindingView:
    """Of the first capture that has it."""
    number, view = next(
        (number, view)
        for number, judgement in enumerate(captures)
        for view in finding_views(judgement)
        if view.code == code
    )
    anchor = f"{view.anchor}-{side.label}"
    if number:
        return replace(view, anchor=anchor, evidence=(), evidence_left=0)
    return replace(view, anchor=anchor, evidence=_evidence_of(view.evidence, side))


def _evidence_of(buttons: Sequence[EvidenceButton], side: Side) -> tuple[EvidenceButton, ...]:
    return tuple(EvidenceButton(side.key(each.key), each.label) for each in buttons)


def _cost(finding: Finding | None) -> str:
    if finding is None:
        return ""
    if finding.cost_per_run_ns is not None:
        return f"{format_ns(finding.cost_per_run_ns)} a run"
    return f"{finding.count:,} ×"
