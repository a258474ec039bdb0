"""The page's table of runs."""

from __future__ import annotations

from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER
from ortprobe.report.html.tables.model import Cell, Column, Table, note_of
from ortprobe.report.sayable import stated_device_busy
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Int64s

_MAX_RUNS = 20_000


_ATTACHED = ((ATTACHED_ORT_PROFILE, "ORT profile"), (ATTACHED_TORCH_PROFILER, "torch profiler"))


def runs_table(judgement: Judgement) -> Table:
    """One row a run, in time order."""
    analyses, runs, times = judgement.analyses, judgement.analyses.timeline.runs, judgement.analyses.runs
    shown = range(min(len(runs), _MAX_RUNS))
    zero_ns = analyses.timeline.start_ns

    def measured(column: Int64s) -> list[Cell]:
        return [None if column[i] == NONE else int(column[i]) for i in shown]

    columns = (
        Column("Run", "int", list(shown)),
        Column("Session", "int", [None if runs.session[i] == NONE else int(runs.session[i]) for i in shown]),
        Column("In session", "int", [int(times.index_in_session[i]) for i in shown]),
        Column("Start", "time", [int(runs.start_ns[i]) - zero_ns for i in shown]),
        Column("Latency", "ns", measured(times.latency_ns)),
        Column("Input copies", "ns", measured(times.input_copies_ns)),
        Column("Launching nodes", "ns", measured(times.execute_ns)),
        Column("Waiting for the GPU", "ns", measured(times.drain_ns)),
        Column("GPU busy", "ns", measured(stated_device_busy(analyses))),
        Column("Attached", "text", [attached_text(int(times.attached[i])) for i in shown]),
        Column("Failed", "text", ["failed" if times.failed[i] else "" for i in shown]),
    )
    note = note_of(len(runs), len(shown), "runs", "the first")
    return Table("runs", "Runs", note, columns, [f"r{i}" for i in shown], open=True)


def attached_text(attached: int) -> str:
    """The bits of `Runs.attached` in words."""
    names = [name for bit, name in _ATTACHED if attached & bit]
    return " + ".join(names) or "hooks alone"
