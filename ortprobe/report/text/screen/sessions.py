"""The lives of sessions, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.session_lives import SessionLife
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.sayable import doubt, stated_sessions
from ortprobe.report.session_lines import origin_text
from ortprobe.report.text.screen.grid import Column, notes, table
from ortprobe.report.text.shorten import cut
from ortprobe.units import format_ns

TOP_SESSIONS = 3


def sessions_section(analyses: Analyses, width: int) -> list[Text]:
    """Those that cost most to make and to warm up, in the order in which they were made; empty without a session."""
    lives = stated_sessions(analyses).lives
    if not lives:
        return []
    dearest = sorted(lives, key=lambda life: -_cost_ns(life))[:TOP_SESSIONS]
    shown = sorted(dearest, key=lambda life: life.session.index)
    columns = (
        Column(
            heading=f"Sessions, {len(shown)} of {len(lives):,}" if len(shown) < len(lives) else "Sessions",
            least=22,
            shortened=cut,
        ),
        *(
            Column(heading=heading, figures=True)
            for heading in ("creation", "runs", "first run", "steady run", "re-init cost")
        ),
    )
    unknown = doubt(analyses, Claim.LATENCY)
    return [*table(columns, map(_row, shown), width), *notes([f"times: {unknown}"] if unknown else [], width)]


def _row(life: SessionLife) -> Sequence[str]:
    creation, *of_runs = map(_time, (life.creation_ns, life.first_run_ns, life.steady_run_ns, life.re_init_cost_ns))
    return f"{life.session.index} {origin_text(life.session)}", creation, f"{life.runs:,}", *of_runs


def _time(time_ns: int | None) -> str:
    return "–" if time_ns is None else format_ns(time_ns)


def _cost_ns(life: SessionLife) -> int:
    return (life.re_init_cost_ns or 0) + (life.creation_ns or 0) + (life.first_run_excess_ns or 0)
