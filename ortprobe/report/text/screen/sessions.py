"""The lives of sessions, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.session_lives import SessionLife
from ortprobe.report.session_lines import origin_text
from ortprobe.report.text.screen.grid import Column, table
from ortprobe.report.text.shorten import cut
from ortprobe.units import format_ns

TOP_SESSIONS = 3


def sessions_section(analyses: Analyses, width: int) -> list[Text]:
    """Those that cost most to make and to warm up, in the order in which they were made; empty without a session."""
    lives = analyses.sessions.lives
    if not lives:
        return []
    dearest = sorted(lives, key=lambda life: -_cost_ns(life))[:TOP_SESSIONS]
    shown = [life for life in lives if life in dearest]
    columns = (
        Column(
            heading=f"Sessions, {len(shown)} of {len(lives)}" if len(shown) < len(lives) else "Sessions",
            least=22,
            shortened=cut,
        ),
        *(
            Column(heading=heading, figures=True)
            for heading in ("creation", "runs", "first run", "steady run", "re-init cost")
        ),
    )
    return table(columns, map(_row, shown), width)


def _row(life: SessionLife) -> Sequence[str]:
    return (
        f"{life.session.index} {origin_text(life.session)}",
        _time(life.creation_ns),
        f"{life.runs:,}",
        _time(life.first_run_ns),
        _time(life.steady_run_ns),
        _time(life.re_init_cost_ns),
    )


def _time(time_ns: int | None) -> str:
    return "–" if time_ns is None else format_ns(time_ns)


def _cost_ns(life: SessionLife) -> int:
    return (life.re_init_cost_ns or 0) + (life.creation_ns or 0) + (life.first_run_excess_ns or 0)
