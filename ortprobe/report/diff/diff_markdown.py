"""A comparison as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ortprobe.analysis.comparison.accounts import Account
from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.analysis.comparison.run_changes import Measure
from ortprobe.analysis.comparison.session_changes import SessionChange
from ortprobe.analysis.comparison.verdict import Outcome
from ortprobe.report.diff.diff_verdict import diff_verdict
from ortprobe.report.diff.diff_wording import (
    MEASURE_LABELS,
    SESSION_MATCH_LABELS,
    account_basis,
    account_lines,
    basis_text,
    interval_text,
    session_name,
    signed_percent,
    surrounding_text,
    work_lines,
)
from ortprobe.report.markdown import escaped
from ortprobe.report.run_wording import signed_ns
from ortprobe.report.sayable import CLAIM_LABELS
from ortprobe.rules.finding_changes import FindingChange
from ortprobe.units import format_ns

TOP_PARTS = 12
TOP_WORK = 5


def render_diff_markdown(comparison: Comparison, findings: Sequence[FindingChange]) -> str:
    """The whole comparison; names are escaped, so that they show as they are and mention, link or hide nothing."""
    parts = [
        "# ortprobe diff",
        f"**{escaped(diff_verdict(comparison))}**",
        _listed("Differs around the program", map(surrounding_text, comparison.surroundings)),
        *(part for session in comparison.sessions for part in _session(session)),
        _listed("Findings", (f"{each.status.value}: {each.code} {each.shown.title}" for each in findings)),
        _listed("Work", work_lines(comparison, TOP_WORK)),
        _listed("Can't be compared", (f"{CLAIM_LABELS[claim]}: {why}" for claim, why in comparison.unsayable.items())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _listed(title: str, lines: Iterable[str]) -> str:
    items = [f"* {escaped(line)}" for line in lines]
    return "\n".join((f"## {title}\n", *items)) if items else ""


def _session(session: SessionChange) -> Iterable[str]:
    yield f"## {escaped(session_name(session.session))} ({SESSION_MATCH_LABELS[session.session.match]})"
    if not session.measures:
        yield f"{session.runs[0]:,} runs before, {session.runs[1]:,} after: too few to compare"
        return
    yield _measures(session)
    account = session.pace_account if session.by is Measure.PERIOD else session.account
    if account is not None and session.verdict.outcome in (Outcome.SLOWER, Outcome.FASTER):
        yield _account(account)


def _measures(session: SessionChange) -> str:
    rows = ["| | before | after | change | in 95 of 100 cases | |", "|---|---:|---:|---:|---:|---|"]
    for each in session.measures:
        change = each.change
        moved = signed_percent(change.factor - 1)
        times = f"{format_ns(change.before_ns)} | {format_ns(change.after_ns)}"
        outcome = each.verdict.outcome.value.replace("cant-tell", "can't tell")
        rows.append(f"| {MEASURE_LABELS[each.measure]} | {times} | {moved} | {interval_text(change)} | {outcome} |")
    judged = session.measured(session.by) or session.measures[0]
    return "\n".join((*rows, "", basis_text(judged.change, judged.attached)))


def _account(account: Account) -> str:
    rows = ["| what makes the difference | before | after | difference |", "|---|---:|---:|---:|"]
    for line in account_lines(account, TOP_PARTS):
        times = " | ".join("" if each is None else format_ns(each) for each in (line.before_ns, line.after_ns))
        rows.append(f"| {escaped(line.name)} | {times} | {signed_ns(line.more_ns)} |")
    rows.append(f"| **together** | | | **{signed_ns(account.stated_ns)}** |")
    return "\n".join((*rows, "", account_basis(account)))
