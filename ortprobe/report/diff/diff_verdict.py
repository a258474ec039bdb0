"""The verdict of a comparison: one sentence that claims no more than the intervals hold."""

from __future__ import annotations

from collections.abc import Mapping

from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.analysis.comparison.run_changes import FEWEST_RUNS, Measure, MeasureChange
from ortprobe.analysis.comparison.session_changes import SessionChange
from ortprobe.analysis.comparison.verdict import Outcome, Reason
from ortprobe.names import printable
from ortprobe.report.diff.diff_wording import interval_text, percent, session_name, share_text
from ortprobe.units import format_ns

REASON_LABELS: Mapping[Reason, str] = {
    Reason.NO_RUNS: "no session ran on both sides",
    Reason.TOO_FEW_RUNS: f"too few steady runs with the same attached (each side needs {FEWEST_RUNS})",
    Reason.TOO_WIDE: "the times vary too much",
    Reason.OTHER_HARDWARE: "other hardware",
    Reason.OTHER_SESSIONS: "a session that takes much of the time is on one side alone",
    Reason.UNDERMINED: "a capture's figures are not to be trusted",
}


def diff_verdict(comparison: Comparison) -> str:
    """One line, fit for a terminal: the names in it are from traces."""
    return printable(_sentence(comparison))


def _sentence(comparison: Comparison) -> str:
    verdict = comparison.verdict
    decides = _deciding(comparison)
    measured = decides.measured(decides.by) if decides else None
    if verdict.outcome is Outcome.CANT_TELL:
        reasons = "; ".join(REASON_LABELS[reason] for reason in verdict.reasons)
        details = f" ({'; '.join(verdict.details)})" if verdict.details else ""
        return f"can't tell: {reasons}{details}{_room(comparison, measured)}"
    assert decides is not None
    assert measured is not None
    name = f" of {session_name(decides.session)}" if len(comparison.sessions) > 1 else ""
    change = measured.change
    times = f"{format_ns(change.after_ns)}, {format_ns(change.before_ns)} before"
    what = f"the median run{name}" if decides.by is Measure.MEDIAN else f"from run to run{name}"
    if verdict.outcome is Outcome.SAME:
        return f"same within {percent(verdict.within or 0.0)}: {what} takes {times} ({interval_text(change)})"
    return f"{verdict.outcome.value} by {share_text(change)} ({interval_text(change)}): {what} takes {times}"


def _room(comparison: Comparison, measured: MeasureChange | None) -> str:
    if Reason.TOO_WIDE not in comparison.verdict.reasons or measured is None:
        return ""
    change, least = measured.change, f"less than {percent(comparison.gate.same)} is asked for"
    advice = "more runs" if not change.spread_is_assumed else "several captures of each side, or more runs,"
    return f": a change of {interval_text(change)} is possible, and {least}; {advice} would tell"


def _deciding(comparison: Comparison) -> SessionChange | None:
    """The session that the verdict is about."""
    with_it = [each for each in comparison.sessions if each.on_both_sides and each.verdict == comparison.verdict]
    if with_it:
        return max(with_it, key=lambda each: each.share)
    return comparison.sessions[comparison.main] if comparison.main is not None else None
