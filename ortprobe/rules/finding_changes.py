"""Findings of both sides by their codes: what came, what went, what stayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from ortprobe.rules.engine import Judgement
from ortprobe.rules.finding import Finding, NotApplicable, RuleFailed


class FindingStatus(StrEnum):
    NEW = "new"
    FIXED = "fixed"
    SAME = "same"
    """On both sides, or in some captures of one that has others without it."""
    CANT_TELL = "cant-tell"
    """On one side alone, and on the other one its rule could not judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingChange:
    """What both sides have of one code. Of several captures the dearest finding is shown."""

    code: str
    status: FindingStatus
    before: Finding | None
    after: Finding | None
    captures: tuple[int, int]
    """In how many captures of each side it is."""

    @property
    def shown(self) -> Finding:
        """That of after, where it is there."""
        finding = self.after or self.before
        assert finding is not None
        return finding


def compare_findings(before: Sequence[Judgement], after: Sequence[Judgement]) -> tuple[FindingChange, ...]:
    """Of every code that either side has: those that came first, then those that can't be told, stayed, went."""
    found = []
    for code in dict.fromkeys(finding.code for side in (before, after) for each in side for finding in each.findings):
        old, new = ([_of_code(each, code) for each in side] for side in (before, after))
        found.append(
            FindingChange(
                code=code,
                status=_status(code, (before, any(old)), (after, any(new))),
                before=max(chain(*old), key=_cost_ns, default=None),
                after=max(chain(*new), key=_cost_ns, default=None),
                captures=(sum(map(bool, old)), sum(map(bool, new))),
            )
        )
    return tuple(sorted(found, key=lambda each: _ORDER.index(each.status)))


_ORDER = (FindingStatus.NEW, FindingStatus.CANT_TELL, FindingStatus.SAME, FindingStatus.FIXED)


def _status(code: str, *sides: tuple[Sequence[Judgement], bool]) -> FindingStatus:
    """Each side with whether it has the finding."""
    (before, is_before), (after, is_after) = sides
    if is_before and is_after:
        return FindingStatus.SAME
    if not all(_could_judge(each, code) for each in (after if is_before else before)):
        return FindingStatus.CANT_TELL
    return FindingStatus.FIXED if is_before else FindingStatus.NEW


def _of_code(judgement: Judgement, code: str) -> list[Finding]:
    return [finding for finding in judgement.findings if finding.code == code]


def _could_judge(judgement: Judgement, code: str) -> bool:
    """Whether the rule looked, so that what it didn't find is not there."""
    outcomes = [judged.outcome for judged in judgement.judged if judged.rule.code == code]
    return bool(outcomes) and not any(
        isinstance(outcome, RuleFailed) or (isinstance(outcome, NotApplicable) and outcome.evidence_missing)
        for outcome in outcomes
    )


def _cost_ns(finding: Finding) -> int:
    return finding.cost_ns or 0
