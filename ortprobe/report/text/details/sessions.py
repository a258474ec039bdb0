"""The lives of sessions, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.names import printable
from ortprobe.report.session_lines import origin_text, session_lines
from ortprobe.report.text.layout import table_of
from ortprobe.units import format_ns


def sessions_section(analyses: Analyses) -> RenderableType | None:
    """None without a session."""
    if not analyses.sessions.lives:
        return None
    table = table_of("session", "origin", "creation", "runs", "first run", "steady run", "re-init cost", right_from=2)
    for life in analyses.sessions.lives:
        table.add_row(
            Text(str(life.session.index)),
            Text(printable(origin_text(life.session))),
            format_ns(life.creation_ns),
            str(life.runs),
            format_ns(life.first_run_ns),
            format_ns(life.steady_run_ns),
            format_ns(life.re_init_cost_ns) if life.session.replaces is not None else "–",
        )
    return Group(table, *(Text(printable(line)) for line in session_lines(analyses)))
