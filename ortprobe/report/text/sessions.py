"""The lives of sessions, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.session_lives import SessionLife
from ortprobe.analysis.trust.claims import Claim
from ortprobe.names import printable
from ortprobe.report.sayable import doubt
from ortprobe.report.text.layout import table_of
from ortprobe.report.wording import CREATION_LABELS, stale_text
from ortprobe.rules.session_costs import creation_items, first_run_items, growth_text, listed, runs_text, tuning_text
from ortprobe.units import format_ns

TOP_STALE = 3


def sessions_section(analyses: Analyses) -> RenderableType | None:
    """None without a session."""
    if not analyses.sessions.lives:
        return None
    table = table_of("session", "origin", "creation", "runs", "first run", "steady run", "re-init cost", right_from=2)
    for life in analyses.sessions.lives:
        table.add_row(
            Text(str(life.session.index)),
            Text(_origin(life)),
            format_ns(life.creation_ns),
            str(life.runs),
            format_ns(life.first_run_ns),
            format_ns(life.steady_run_ns),
            format_ns(life.re_init_cost_ns) if life.session.replaces is not None else "–",
        )
    return Group(table, *(Text(printable(line)) for line in (*_divisions(analyses), *_stale(analyses))))


def _origin(life: SessionLife) -> str:
    session = life.session
    replaced = f", replaced {session.replaces}" if session.replaces is not None else ""
    inferred = " (inferred)" if session.replaces_is_inferred else ""
    failed = f", failed: {printable(session.error)}" if session.error else ""
    return f"{CREATION_LABELS[session.creation]}{replaced}{inferred}{failed}"


def _divisions(analyses: Analyses) -> list[str]:
    """How the dearest creation and the dearest first runs divide."""
    if doubt(analyses, Claim.LATENCY):
        return []
    return [line for line in (_dearest_creation(analyses), _dearest_first_runs(analyses)) if line]


def _dearest_creation(analyses: Analyses) -> str:
    divided = [life.creation for life in analyses.sessions.lives if life.creation and life.creation.phases]
    if not divided:
        return ""
    cost = max(divided, key=lambda each: each.creation_ns)
    return f"creation of session {cost.session}, {format_ns(cost.creation_ns)}: {listed(creation_items(cost))}"


def _dearest_first_runs(analyses: Analyses) -> str:
    divided = [life for life in analyses.sessions.lives if life.first_runs.excess_ns and life.first_runs.divided]
    if not divided:
        return ""
    life = max(divided, key=lambda each: each.first_runs.excess_ns or 0)
    early = life.first_runs.early
    excess, runs = format_ns(life.first_runs.excess_ns), runs_text(life.first_runs)
    head = f"first runs of session {life.session.index}, +{excess} over steady in the {runs}"
    notes = [listed(first_run_items(early)), growth_text(early), tuning_text(analyses, early)]
    return f"{head}: {'; '.join(note for note in notes if note)}"


def _stale(analyses: Analyses) -> list[str]:
    stale = analyses.sessions.stale or ()
    dearest = sorted(stale, key=lambda each: -(each.held_ns or 0))
    more = [f"and {len(stale) - TOP_STALE} more sessions held without use"] if len(stale) > TOP_STALE else []
    return [*(stale_text(each) for each in dearest[:TOP_STALE]), *more]
