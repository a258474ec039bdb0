"""The page's table of sessions."""

from __future__ import annotations

from ortprobe.report.html.tables.model import Column, Table, note_of
from ortprobe.report.wording import CREATION_LABELS, site_text
from ortprobe.rules.engine import Judgement


def sessions_table(judgement: Judgement) -> Table:
    """One row a C session, in order of creation."""
    lives = judgement.analyses.sessions.lives
    zero_ns = judgement.analyses.timeline.start_ns
    sessions = [life.session for life in lives]
    columns = (
        Column("Session", "int", [each.index for each in sessions]),
        Column("Created", "text", [CREATION_LABELS[each.creation] for each in sessions]),
        Column("Replaces", "int", [each.replaces for each in sessions]),
        Column("Start", "time", [each.start_ns - zero_ns for each in sessions]),
        Column("Creation", "ns", [life.creation_ns for life in lives]),
        Column("Load", "ns", [life.load_ns for life in lives]),
        Column("Initialise", "ns", [life.initialize_ns for life in lives]),
        Column("Runs", "int", [life.runs for life in lives]),
        Column("First run", "ns", [life.first_run_ns for life in lives]),
        Column("Steady run", "ns", [life.steady_run_ns for life in lives]),
        Column("Cost of re-init", "ns", [life.re_init_cost_ns for life in lives]),
        Column("Providers", "text", [", ".join(each.providers) for each in sessions]),
        Column("Model", "text", [each.model for each in sessions]),
        Column("Line", "text", [site_text(each.site) for each in sessions]),
    )
    note = note_of(len(lives), len(lives), "sessions", "the first")
    return Table("sessions", "Sessions", note, columns, [f"c{each.index}" for each in sessions])
