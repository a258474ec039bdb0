"""The page's table of operators."""

from __future__ import annotations

from ortprobe.report.html.tables.model import Column, Table, note_of
from ortprobe.report.node_lines import CATEGORY_LABELS, node_lines
from ortprobe.report.sayable import stated_operators
from ortprobe.rules.engine import Judgement
from ortprobe.units import format_ratio

_MAX_OPERATORS = 500


def operators_table(judgement: Judgement) -> Table:
    """One row an operator on a provider in a session, the dearest first."""
    operators = stated_operators(judgement.analyses).operators
    shown = operators[:_MAX_OPERATORS]
    columns = (
        Column("Op type", "text", [each.op_type for each in shown]),
        Column("Provider", "text", [each.provider.removesuffix("ExecutionProvider") for each in shown]),
        Column("Session", "int", [each.session for each in shown]),
        Column("What for", "text", [CATEGORY_LABELS[each.category] for each in shown]),
        Column("Nodes", "int", [each.sums.nodes for each in shown]),
        Column("GPU time", "ns", [each.sums.device_ns for each in shown]),
        Column("of session", "text", [_share(each.sums.share) for each in shown]),
        Column("Kernels", "int", [each.sums.kernels for each in shown]),
        Column("Host time", "ns", [each.sums.host_ns for each in shown]),
        Column("Executions", "int", [each.sums.executions for each in shown]),
    )
    note = note_of(len(operators), len(shown), "operators", "the dearest")
    note = "; ".join((note, *node_lines(judgement.analyses)))
    return Table("operators", "Operators", note, columns, [f"s{each.first_span}" for each in shown])


def _share(share: float | None) -> str:
    return "" if share is None else format_ratio(share, 1)
