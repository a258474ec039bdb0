"""The tables of the comparison: what each run took before and after, and what lies between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ortprobe.analysis.comparison.bootstrap import Change
from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.diff.diff_wording import interval_text, node_name, node_note, session_name
from ortprobe.report.html.diff.places import Places
from ortprobe.report.html.side import Side
from ortprobe.report.html.tables.gaps import gaps_table
from ortprobe.report.html.tables.model import Column, Table, note_of
from ortprobe.report.html.tables.runs import runs_table
from ortprobe.report.html.tables.sessions import sessions_table
from ortprobe.report.html.tables.waits import waits_table
from ortprobe.report.wording import CAUSE_LABELS, WAIT_ROLE_LABELS, headed
from ortprobe.rules.engine import Judgement

_MAX_ROWS = 500
_OWN_TABLES: tuple[Callable[[Judgement], Table], ...] = (runs_table, sessions_table, waits_table, gaps_table)
"""Tables with rows about marks of their own: the details of a selection come from there."""


def comparison_tables(comparison: Comparison, before: Places, after: Places) -> tuple[Table, ...]:
    """What differs for each run, then what each capture's own page says of its runs, sessions, waits and gaps."""
    return (
        *(_nodes(comparison, number, before, after) for number in _with_nodes(comparison)),
        _kernels(comparison, before, after),
        _idle(comparison, before, after),
        _waits(comparison, before, after),
        *(_of_side(table(places.side.judgement), places.side) for places in (before, after) for table in _OWN_TABLES),
    )


def _with_nodes(comparison: Comparison) -> list[int]:
    return [number for number, session in enumerate(comparison.sessions) if session.nodes]


def _nodes(comparison: Comparison, number: int, before: Places, after: Places) -> Table:
    """One row a node, or several that do the same work."""
    session = comparison.sessions[number]
    shown = session.nodes[:_MAX_ROWS]
    keys = [before.node(each.pair.before) for each in shown], [after.node(each.pair.after) for each in shown]
    columns = (
        Column("Node", "text", [node_name(each.pair) for each in shown]),
        Column(
            "Op type",
            "text",
            [_each_once(node.op_type for node in each.pair.after or each.pair.before) for each in shown],
        ),
        *_figures(
            "GPU time", [each.device_before_ns for each in shown], [each.device_after_ns for each in shown], keys
        ),
        *_figures("Host time", [each.host_before_ns for each in shown], [each.host_after_ns for each in shown]),
        Column("Of the median, in 95 of 100 cases", "text", [_interval(each.change) for each in shown]),
        Column("Note", "text", [node_note(each.pair) for each in shown]),
    )
    of = f" of {session_name(session.session)}" if len(_with_nodes(comparison)) > 1 else ""
    note = note_of(len(session.nodes), len(shown), "nodes", "the largest differences,")
    return Table(f"nodes-{number}", f"Nodes{of}", note, columns, _either(*keys), open=True)


def _kernels(comparison: Comparison, before: Places, after: Places) -> Table:
    """One row a kernel, copy or fill by its name."""
    shown = comparison.kernels[:_MAX_ROWS]
    keys = [before.kernel(each.name) for each in shown], [after.kernel(each.name) for each in shown]
    columns = (
        Column("Kernel", "text", [each.name for each in shown]),
        *_figures("GPU time", [each.before_ns for each in shown], [each.after_ns for each in shown], keys),
        Column("Times before", "text", [_count(each.before_count) for each in shown]),
        Column("Times after", "text", [_count(each.after_count) for each in shown]),
    )
    note = _unsayable(comparison, Claim.GPU_TIME) or note_of(
        len(comparison.kernels), len(shown), "kernels", "the largest differences,"
    )
    return Table("kernels", "Kernels, copies and fills", note, columns, _either(*keys))


def _idle(comparison: Comparison, before: Places, after: Places) -> Table:
    """One row a cause."""
    shown = comparison.idle
    keys = [before.idle(each.cause) for each in shown], [after.idle(each.cause) for each in shown]
    columns = (
        Column("Because of", "text", [CAUSE_LABELS[each.cause] for each in shown]),
        *_figures("Idle", [each.before_ns for each in shown], [each.after_ns for each in shown], keys),
    )
    note = _unsayable(comparison, Claim.IDLE) or note_of(len(shown), len(shown), "causes", "")
    return Table("idle", "Idle GPU by cause", note, columns, _either(*keys), open=True)


def _waits(comparison: Comparison, before: Places, after: Places) -> Table:
    """One row for waits that have a place in the program in common."""
    shown = comparison.waits
    keys = tuple([side.wait(each.waiter, each.role) for each in shown] for side in (before, after))
    columns = (
        Column("Where", "text", [headed(WAIT_ROLE_LABELS[each.role]) for each in shown]),
        Column("Who waits", "text", [each.waiter.value for each in shown]),
        *_figures("Stalled", [each.before_stall_ns for each in shown], [each.after_stall_ns for each in shown], keys),
        Column("Times before", "text", [_count(each.before_count) for each in shown]),
        Column("Times after", "text", [_count(each.after_count) for each in shown]),
    )
    unsayable = _unsayable(comparison, Claim.WAITS, Claim.GPU_TIME)
    note = unsayable or note_of(len(shown), len(shown), "kinds of waits", "")
    return Table("waits-changed", "Waits", note, columns, _either(*keys))


def _unsayable(comparison: Comparison, *claims: Claim) -> str:
    """Why nothing is said; empty where something is."""
    why = next((comparison.unsayable[claim] for claim in claims if claim in comparison.unsayable), "")
    return f"can't tell, because {why}" if why else ""


def _of_side(table: Table, side: Side) -> Table:
    """A table of a capture's own page, about its marks on this one."""
    return replace(
        table,
        key=f"{side.label}-{table.key}",
        title=f"{table.title}, {side.label}",
        columns=[replace(column, keys=[side.key(key) for key in column.keys]) for column in table.columns],
        keys=[side.key(key) for key in table.keys],
        open=False,
    )


def _figures(
    what: str,
    before_ns: Sequence[float | None],
    after_ns: Sequence[float | None],
    keys: Sequence[Sequence[str]] = ((), ()),
) -> tuple[Column, Column, Column]:
    """Before, after and the difference, in whole nanoseconds; each side's figure leads to its own mark."""
    more_ns = [
        None if low is None or high is None else round(high - low)
        for low, high in zip(before_ns, after_ns, strict=True)
    ]
    return (
        Column(f"{what} before", "ns", [_whole(value) for value in before_ns], keys[0]),
        Column(f"{what} after", "ns", [_whole(value) for value in after_ns], keys[1]),
        Column(f"{what} more", "more", more_ns),
    )


def _whole(value_ns: float | None) -> int | None:
    return None if value_ns is None else round(value_ns)


def _count(count: float) -> str:
    return f"{count:,.0f}" if count == round(count) else f"{count:,.2f}"


def _either(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The mark of after, or of before where there is none."""
    return [second or first for first, second in zip(before, after, strict=True)]


def _interval(change: Change | None) -> str:
    return "" if change is None else interval_text(change)


def _each_once(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))
