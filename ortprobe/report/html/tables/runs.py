"""The page's table of runs."""

from __future__ import annotations

from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.html.tables.model import Cell, Column, Table, note_of
from ortprobe.report.run_wording import attached_text
from ortprobe.report.sayable import doubt, stated_device_busy, stated_phases
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Int64s

_MAX_RUNS = 20_000


def runs_table(judgement: Judgement) -> Table:
    """One row a run, in time order."""
    analyses, runs, times = judgement.analyses, judgement.analyses.timeline.runs, judgement.analyses.runs
    shown = range(min(len(runs), _MAX_RUNS))
    zero_ns, phases = analyses.timeline.start_ns, stated_phases(analyses)

    unknown = doubt(analyses, Claim.LATENCY)

    def measured(column: Int64s) -> list[Cell]:
        return [None if unknown or column[i] == NONE else int(column[i]) for i in shown]

    columns = (
        Column("Run", "int", list(shown)),
        Column("Session", "int", [None if runs.session[i] == NONE else int(runs.session[i]) for i in shown]),
        Column("In session", "int", [int(times.index_in_session[i]) for i in shown]),
        Column("Start", "time", [int(runs.start_ns[i]) - zero_ns for i in shown]),
        Column("Latency", "ns", measured(times.latency_ns)),
        Column("Period", "ns", measured(times.period_ns)),
        Column("Host before", "ns", measured(phases.host_before_ns)),
        Column("Input copies", "ns", measured(phases.input_copies_ns)),
        Column("Launching nodes", "ns", measured(phases.execute_ns)),
        Column("To first launch", "ns", measured(phases.before_launch_ns)),
        Column("First to last launch", "ns", measured(phases.launching_ns)),
        Column("Waiting for the GPU", "ns", measured(phases.drain_ns)),
        Column("Output copies", "ns", measured(phases.output_copies_ns)),
        Column("Finishing", "ns", measured(phases.finish_ns)),
        Column("Host after", "ns", measured(phases.host_after_ns)),
        Column("GPU busy", "ns", measured(stated_device_busy(analyses))),
        Column("Attached", "text", [attached_text(int(times.attached[i])) for i in shown]),
        Column("Failed", "text", ["failed" if times.failed[i] else "" for i in shown]),
    )
    note = note_of(len(runs), len(shown), "runs", "the first") + (f"; times: {unknown}" if unknown else "")
    return Table("runs", "Runs", note, columns, [f"r{i}" for i in shown], open=True)
