"""A comparison for a terminal: one screen that says what changed, what makes the difference, and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ortprobe.analysis.comparison.accounts import Account
from ortprobe.analysis.comparison.comparison import MINOR_SHARE, Comparison
from ortprobe.analysis.comparison.node_changes import NodeChange
from ortprobe.analysis.comparison.node_matches import NodeMatch
from ortprobe.analysis.comparison.run_changes import Measure
from ortprobe.analysis.comparison.session_changes import SessionChange
from ortprobe.analysis.comparison.verdict import Outcome
from ortprobe.names import printable
from ortprobe.report.diff.diff_verdict import diff_verdict
from ortprobe.report.diff.diff_wording import (
    MEASURE_LABELS,
    SESSION_MATCH_LABELS,
    account_basis,
    account_lines,
    basis_text,
    interval_text,
    node_name,
    node_note,
    session_name,
    signed_percent,
    surrounding_text,
    work_lines,
)
from ortprobe.report.run_wording import signed_ns
from ortprobe.report.sayable import CLAIM_LABELS
from ortprobe.report.text.layout import table_of
from ortprobe.rules.finding_changes import FindingChange, FindingStatus
from ortprobe.units import format_ns

TOP_PARTS = 8
TOP_NODES = 5
TOP_WORK = 3
_STYLES = {Outcome.SLOWER: "bold red", Outcome.FASTER: "bold green", Outcome.SAME: "bold", Outcome.CANT_TELL: "yellow"}
_FINDING_STYLES = {FindingStatus.NEW: "red", FindingStatus.FIXED: "green", FindingStatus.CANT_TELL: "yellow"}


def render_diff_text(comparison: Comparison, findings: Sequence[FindingChange], console: Console) -> None:
    """Print the comparison. All names come from traces and are printed as they are, never read as markup."""
    console.print(Text(diff_verdict(comparison), style=_STYLES[comparison.verdict.outcome]))
    sections: list[tuple[str, RenderableType | None]] = [
        ("Differs around the program", _lines(surrounding_text(each) for each in comparison.surroundings)),
        *(section for session in _shown(comparison) for section in _session(session)),
        ("Findings", _findings(findings)),
        ("Work", _lines(work_lines(comparison, TOP_WORK))),
        ("Can't be compared", _lines(f"{CLAIM_LABELS[claim]}: {why}" for claim, why in comparison.unsayable.items())),
    ]
    for title, body in sections:
        if body is not None:
            console.print()
            console.print(Text(printable(title), style="bold underline"))
            console.print(Padding(body, (0, 0, 0, 2)))


def _shown(comparison: Comparison) -> list[SessionChange]:
    """Those that matter, and those that changed."""
    return [
        each
        for row, each in enumerate(comparison.sessions)
        if row == comparison.main
        or each.share >= MINOR_SHARE
        or each.verdict.outcome in (Outcome.SLOWER, Outcome.FASTER)
    ]


def _session(session: SessionChange) -> list[tuple[str, RenderableType | None]]:
    name = f"{session_name(session.session)} ({SESSION_MATCH_LABELS[session.session.match]})"
    by_pace, changed = session.by is Measure.PERIOD, session.verdict.outcome in (Outcome.SLOWER, Outcome.FASTER)
    account, what = (session.pace_account, "run to run") if by_pace else (session.account, "the run")
    return [
        (f"Runs of {name}", _measures(session)),
        (f"What makes the difference, {what}", _account(account) if account and changed else None),
        ("Nodes", _nodes(session.nodes)),
    ]


def _lines(lines: Iterable[str]) -> RenderableType | None:
    text = "\n".join(map(printable, lines))
    return Text(text) if text else None


def _measures(session: SessionChange) -> RenderableType:
    if not session.measures:
        return Text(f"{session.runs[0]:,} runs before, {session.runs[1]:,} after: too few to compare")
    table = table_of("", "before", "after", "change", "in 95 of 100 cases", "", right_from=1)
    for each in session.measures:
        change = each.change
        moved = signed_percent(change.factor - 1)
        table.add_row(
            MEASURE_LABELS[each.measure],
            format_ns(change.before_ns),
            format_ns(change.after_ns),
            moved,
            interval_text(change),
            Text(each.verdict.outcome.value.replace("cant-tell", "can't tell"), _STYLES[each.verdict.outcome]),
        )
    judged = session.measured(session.by) or session.measures[0]
    parts: list[RenderableType] = [table, Text(basis_text(judged.change, judged.attached), "dim")]
    if any(session.failed):
        parts.append(Text(f"runs that raised: {session.failed[0]:,} before, {session.failed[1]:,} after", "red"))
    return Group(*parts)


def _account(account: Account) -> RenderableType:
    table = table_of("", "before", "after", "difference", right_from=1)
    for line in account_lines(account, TOP_PARTS):
        times = ("" if time_ns is None else format_ns(time_ns) for time_ns in (line.before_ns, line.after_ns))
        table.add_row(Text(printable(line.name)), *times, signed_ns(line.more_ns))
    table.add_row(Text("together", "bold"), "", "", Text(signed_ns(account.stated_ns), "bold"))
    return Group(table, Text(account_basis(account), "dim"))


def _nodes(nodes: Sequence[NodeChange]) -> RenderableType | None:
    """Those whose time changed for certain, and those that came, went, or were found again in another form."""
    told = [each for each in nodes if _is_told(each)][:TOP_NODES]
    if not told:
        return None
    table = table_of("node", "before", "after", "median", "", right_from=1)
    for each in told:
        table.add_row(*_node_row(each))
    return table


def _is_told(node: NodeChange) -> bool:
    return node.pair.match is not NodeMatch.NAME or (node.change is not None and node.change.is_real)


def _node_row(node: NodeChange) -> tuple[Text | str, ...]:
    moved = interval_text(node.change) if node.change else ""
    times = (format_ns(round(node.before_ns)), format_ns(round(node.after_ns)))
    return Text(printable(node_name(node.pair))), *times, moved, Text(printable(node_note(node.pair)), "dim")


def _findings(findings: Sequence[FindingChange]) -> Table | None:
    if not findings:
        return None
    table = table_of("", "", "", right_from=3)
    for each in findings:
        status = each.status.value.replace("cant-tell", "can't tell")
        table.add_row(Text(status, _FINDING_STYLES.get(each.status, "")), each.code, Text(printable(each.shown.title)))
    return table
