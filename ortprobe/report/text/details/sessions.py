"""The lives of sessions, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.names import printable
from ortprobe.report.sayable import doubt, stated_sessions
from ortprobe.report.session_lines import origin_text, session_lines
from ortprobe.report.text.layout import table_of
from ortprobe.units import format_ns


def sessions_section(analyses: Analyses) -> RenderableType | None:
    """None without a session."""
    lives = stated_sessions(analyses).lives
    if not lives:
        return None
    table = table_of("session", "origin", "creation", "runs", "first run", "steady run", "re-init cost", right_from=2)
    for life in lives:
        table.add_row(
            Text(str(life.session.index)),
            Text(printable(origin_text(life.session))),
            format_ns(life.creation_ns),
            f"{life.runs:,}",
            format_ns(life.first_run_ns),
            format_ns(life.steady_run_ns),
            format_ns(life.re_init_cost_ns) if life.session.replaces is not None else "–",
        )
    unknown = doubt(analyses, Claim.LATENCY)
    lines = [f"times: {unknown}"] if unknown else []
    return Group(table, *(Text(printable(line)) for line in (*lines, *session_lines(analyses))))
