"""All tables of the page, in their order."""

from __future__ import annotations

from ortprobe.report.html.tables.findings import findings_table
from ortprobe.report.html.tables.gaps import gaps_table, idle_lines_table
from ortprobe.report.html.tables.kernels import kernels_table
from ortprobe.report.html.tables.model import Table
from ortprobe.report.html.tables.nodes import nodes_table
from ortprobe.report.html.tables.operators import operators_table
from ortprobe.report.html.tables.runs import runs_table
from ortprobe.report.html.tables.sessions import sessions_table
from ortprobe.report.html.tables.waits import waits_table
from ortprobe.report.html.tables.what_ifs import paths_table, what_ifs_table
from ortprobe.rules.engine import Judgement


def build_tables(judgement: Judgement) -> tuple[Table, ...]:
    """All tables of the page; an empty one is there too, and its note says why."""
    return (
        findings_table(judgement),
        what_ifs_table(judgement),
        runs_table(judgement),
        sessions_table(judgement),
        nodes_table(judgement),
        operators_table(judgement),
        kernels_table(judgement),
        paths_table(judgement),
        waits_table(judgement),
        gaps_table(judgement),
        idle_lines_table(judgement),
    )
