"""The page's table of sessions."""

from __future__ import annotations

from collections.abc import Sequence

from ortprobe.analysis.sessions.creations import Phase
from ortprobe.analysis.sessions.session_lives import OptionChange, SessionLife
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.html.tables.model import Column, Table, note_of
from ortprobe.report.sayable import doubt, stated_sessions
from ortprobe.report.wording import CREATION_LABELS, site_text, stale_text
from ortprobe.rules.engine import Judgement
from ortprobe.rules.session_costs import Items, first_run_items, listed

_PHASES = {
    Phase.BEFORE: "Before loading",
    Phase.LOAD: "Load",
    Phase.PROVIDERS: "Set up providers",
    Phase.INITIALIZE: "Initialise",
    Phase.AFTER: "After",
}


def sessions_table(judgement: Judgement) -> Table:
    """One row a C session, in order of creation."""
    lives = stated_sessions(judgement.analyses).lives
    zero_ns = judgement.analyses.timeline.start_ns
    sessions = [life.session for life in lives]
    columns = (
        Column("Session", "int", [each.index for each in sessions]),
        Column("Created", "text", [CREATION_LABELS[each.creation] for each in sessions]),
        Column("Replaces", "int", [each.replaces for each in sessions]),
        Column("Start", "time", [each.start_ns - zero_ns for each in sessions]),
        Column("Creation", "ns", [life.creation_ns for life in lives]),
        *(Column(title, "ns", [life.phase_ns(phase) for life in lives]) for phase, title in _PHASES.items()),
        Column("Uploaded bytes", "int", [_uploaded(life) for life in lives]),
        Column("Runs", "int", [life.runs for life in lives]),
        Column("First run", "ns", [life.first_run_ns for life in lives]),
        Column("Steady run", "ns", [life.steady_run_ns for life in lives]),
        Column("Runs until steady", "int", [life.first_runs.until_steady for life in lives]),
        Column("Above steady until then", "ns", [life.first_runs.excess_ns for life in lives]),
        Column("For what", "text", [listed(_for_what(life)) for life in lives]),
        Column("Runs with new shapes", "int", [len(life.first_runs.new_shapes) for life in lives]),
        Column("Arena growth bytes", "int", [life.memory.arena_bytes for life in lives]),
        Column("Held without use", "text", [_held(judgement, each.index) for each in sessions]),
        Column("Cost of re-init", "ns", [life.re_init_cost_ns for life in lives]),
        Column("Options lost", "text", [_options(life.options_reset) for life in lives]),
        Column("Options changed", "text", [_options(life.options_changed) for life in lives]),
        Column("Providers", "text", [", ".join(each.providers) for each in sessions]),
        Column("Model", "text", [each.model for each in sessions]),
        Column("Line", "text", [site_text(each.site) for each in sessions]),
    )
    unknown = doubt(judgement.analyses, Claim.LATENCY)
    note = note_of(len(lives), len(lives), "sessions", "the first") + (f"; times: {unknown}" if unknown else "")
    return Table("sessions", "Sessions", note, columns, [f"c{each.index}" for each in sessions])


def _uploaded(life: SessionLife) -> int | None:
    upload = life.creation.upload if life.creation else None
    return upload.size_bytes if upload else None


def _for_what(life: SessionLife) -> Items:
    return first_run_items(life.first_runs.early) if life.first_runs.divided else ()


def _options(changes: Sequence[OptionChange]) -> str:
    return ", ".join(f"{change.option} {change.before} → {change.after}" for change in changes)


def _held(judgement: Judgement, session: int) -> str:
    stale = stated_sessions(judgement.analyses).stale or ()
    return next((stale_text(each) for each in stale if each.session == session), "")
