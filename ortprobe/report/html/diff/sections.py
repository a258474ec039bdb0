"""What the page of a comparison says in words. Plain values for the template, no markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.analysis.comparison.verdict import Outcome, Verdict
from ortprobe.report.diff.diff_wording import (
    MEASURE_LABELS,
    SESSION_MATCH_LABELS,
    basis_text,
    interval_text,
    percent,
    session_name,
    signed_percent,
)
from ortprobe.report.html.sections import Fact, header_facts, key_figures
from ortprobe.report.html.side import Side
from ortprobe.report.run_wording import signed_ns
from ortprobe.report.sayable import CLAIM_LABELS
from ortprobe.report.wording import headed
from ortprobe.units import format_ns

_TONES = {Outcome.SLOWER: "worse", Outcome.FASTER: "better", Outcome.SAME: "alike", Outcome.CANT_TELL: "unknown"}


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One time that was compared."""

    session: str
    measure: str
    before: str
    after: str
    difference: str
    change: str
    interval: str
    verdict: str
    tone: str
    """`worse`, `better`, `alike` or `unknown`."""
    basis: str
    """What it was measured on, and what was assumed."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known of both sides under one name."""

    term: str
    before: str
    after: str

    @property
    def differs(self) -> bool:
        return self.before != self.after


def measure_rows(comparison: Comparison) -> tuple[MeasureRow, ...]:
    """All times of all sessions that ran on both sides."""
    return tuple(_measure_rows(comparison))


def _measure_rows(comparison: Comparison) -> Iterator[MeasureRow]:
    for session in comparison.sessions:
        for each in session.measures:
            change = each.change
            yield MeasureRow(
                session=session_name(session.session),
                measure=headed(MEASURE_LABELS[each.measure]),
                before=format_ns(change.before_ns),
                after=format_ns(change.after_ns),
                difference=signed_ns(round(change.difference_ns)),
                change=signed_percent(change.factor - 1),
                interval=interval_text(change),
                verdict=_verdict_text(each.verdict),
                tone=_TONES[each.verdict.outcome],
                basis=basis_text(change, each.attached),
            )


def session_facts(comparison: Comparison) -> tuple[Fact, ...]:
    """How the sessions of the two sides found one another."""
    return tuple(
        Fact(session_name(session.session), SESSION_MATCH_LABELS[session.session.match])
        for session in comparison.sessions
    )


def changed_surroundings(comparison: Comparison) -> tuple[Fact, ...]:
    """Versions, hardware and program, as far as they differ."""
    return tuple(
        Fact(headed(each.name), f"{', '.join(each.before)} → {', '.join(each.after)}")
        for each in comparison.surroundings
    )


def unsayable(comparison: Comparison) -> tuple[Fact, ...]:
    """What is left out, and why."""
    return tuple(Fact(headed(CLAIM_LABELS[claim]), why) for claim, why in comparison.unsayable.items())


def facts_of_both(before: Side, after: Side) -> tuple[Pair, ...]:
    """Where each capture comes from, and its own key figures."""
    return (
        *_paired(header_facts(before.timeline), header_facts(after.timeline)),
        *_paired(key_figures(before.judgement), key_figures(after.judgement)),
    )


def laid_over_text(before: int | None, after: int | None) -> str:
    """What the timeline's axis has in common."""
    if before is None or after is None:
        return "Both captures begin at the first event: no session has runs on both sides to lay over each other."
    return (
        f"Run {before} of before and run {after} of after, the median ones, begin at one moment of the axis (≡). "
        "Times are those of each capture; only where the second one lies is moved."
    )


def _paired(before: Sequence[Fact], after: Sequence[Fact]) -> list[Pair]:
    known = {fact.term: fact.value for fact in before}, {fact.term: fact.value for fact in after}
    return [Pair(headed(term), *(side.get(term, "–") for side in known)) for term in known[0] | known[1]]


def _verdict_text(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.SAME:
        return f"same within {percent(verdict.within or 0.0)}"
    return verdict.outcome.value.replace("cant-tell", "can't tell")
