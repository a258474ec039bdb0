"""How what changed between two sides is said in front of people."""

from __future__ import annotations

from collections.abc import Mapping

from ortprobe.analysis.comparison.accounts import Account, Part, PartKind
from ortprobe.analysis.comparison.bootstrap import Change
from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.analysis.comparison.node_matches import NodeMatch
from ortprobe.analysis.comparison.run_changes import Measure
from ortprobe.analysis.comparison.session_changes import SessionChange
from ortprobe.analysis.comparison.session_matches import SessionMatch
from ortprobe.analysis.comparison.surroundings import Surrounding
from ortprobe.analysis.comparison.verdict import Outcome, Reason, Verdict
from ortprobe.analysis.waits.wait_times import Waiter
from ortprobe.report.path_wording import PATH_LABELS
from ortprobe.report.run_wording import PHASE_LABELS
from ortprobe.report.wording import CAUSE_LABELS
from ortprobe.timeline import NONE
from ortprobe.units import format_ns

MEASURE_LABELS: Mapping[Measure, str] = {
    Measure.MEDIAN: "median run",
    Measure.P99: "99th percentile of runs",
    Measure.FIRST: "first run",
    Measure.PERIOD: "median period",
}

NODE_MATCH_LABELS: Mapping[NodeMatch, str] = {
    NodeMatch.NAME: "its name",
    NodeMatch.ORIGIN: "the model's nodes behind it",
    NodeMatch.POSITION: "operator and position",
    NodeMatch.ONLY_BEFORE: "only before",
    NodeMatch.ONLY_AFTER: "only after",
}

SESSION_MATCH_LABELS: Mapping[SessionMatch, str] = {
    SessionMatch.CONTENT: "the same model file",
    SessionMatch.NAME: "models of one name",
    SessionMatch.ORDER: "the order in which they were made",
    SessionMatch.ONLY_BEFORE: "only before",
    SessionMatch.ONLY_AFTER: "only after",
}

WAITER_LABELS: Mapping[Waiter, str] = {Waiter.HOST: "host", Waiter.STREAM: "stream"}

SURROUNDING_LABELS: Mapping[Surrounding, str] = {
    Surrounding.HARDWARE: "hardware",
    Surrounding.VERSION: "version",
    Surrounding.PROGRAM: "program",
}

_PART_LABELS: Mapping[PartKind, str] = {
    **{PartKind(kind.value): label for kind, label in PATH_LABELS.items()},
    PartKind.NODE: "on the host",
    PartKind.PHASE: "a phase of the run",
    PartKind.OVERLAP: "GPU work at once",
    PartKind.IDLE: "GPU idle",
}

_REASON_LABELS: Mapping[Reason, str] = {
    Reason.NO_RUNS: "no session ran on both sides with the same attached",
    Reason.TOO_FEW_RUNS: "too few runs",
    Reason.TOO_WIDE: "the runs vary too much",
    Reason.OTHER_HARDWARE: "the hardware is another one",
    Reason.OTHER_SESSIONS: "a session that matters ran on one side alone",
    Reason.UNDERMINED: "problems of a capture make its figures wrong",
}


def verdict_sentence(comparison: Comparison) -> str:
    """One sentence: slower, faster, the same within so much, or why nobody can tell."""
    main = None if comparison.main is None else comparison.sessions[comparison.main]
    measured = main.measured(main.by) if main else None
    text = verdict_text(comparison.verdict)
    if measured is None:
        return text
    change = measured.change
    return (
        f"{text}: the {MEASURE_LABELS[measured.measure]} takes {format_ns(change.after_ns)} after and "
        f"{format_ns(change.before_ns)} before ({percent(change.factor)}, "
        f"95 % sure: {percent_interval(change)})"
    )


def verdict_text(verdict: Verdict) -> str:
    """`slower`, `the same within 2.1 %`, `can't tell: too few runs`."""
    if verdict.outcome is Outcome.SAME:
        return f"the same within {100 * (verdict.within or 0):.1f} %"
    if verdict.outcome is not Outcome.CANT_TELL:
        return verdict.outcome.value
    why = [_REASON_LABELS[reason] for reason in verdict.reasons]
    if verdict.within is not None:
        why.append(f"a change of {100 * verdict.within:.1f} % can be there")
    return f"can't tell: {'; '.join((*why, *verdict.details))}"


def percent(factor: float) -> str:
    """1.052 → `+5.2 %`."""
    return f"{100 * (factor - 1):+.1f} %".replace("-", "−")


def percent_interval(change: Change | None) -> str:
    """`+3.9 % to +6.2 %`; empty where nothing was measured."""
    return "" if change is None else f"{percent(change.low)} to {percent(change.high)}"


def part_text(account: Account, part: Part) -> str:
    """What a part of a run is."""
    what = _PART_LABELS[part.kind]
    if part.cause is not None:
        what = f"{what}: {CAUSE_LABELS[part.cause]}"
    if part.kind is PartKind.DEVICE and part.pair == NONE:
        what = f"{what} of no node"
    if part.phase is not None:
        what = PHASE_LABELS[part.phase]
    name = account.name_of(part)
    return f"{name} ({what})" if name else what


def session_text(session: SessionChange, number: int) -> str:
    """A session by its model's file, or by its number."""
    side = session.session.after or session.session.before
    name = side.model.rpartition("/")[2] if side else ""
    return name or f"session {number}"
