"""The page's table of waits."""

from __future__ import annotations

from ortprobe.analysis.waits.wait_times import Waiter
from ortprobe.report.html.sheet import stall_extent
from ortprobe.report.html.tables.model import Column, Table, longest, note_of
from ortprobe.report.wording import waiter_label
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, own_stream

_MAX_WAITS = 2000


def waits_table(judgement: Judgement) -> Table:
    """One row a wait, the longest first."""
    analyses = judgement.analyses
    timeline, waits = analyses.timeline, analyses.waits.waits
    rows = longest(len(waits), _MAX_WAITS, lambda i: waits[i].end_ns - waits[i].start_ns)
    shown = [waits[i] for i in rows]
    columns = (
        Column("Wait", "text", [wait.name for wait in shown]),
        Column("Who waits", "text", [waiter_label(wait, timeline) for wait in shown]),
        Column("Kind", "text", ["stream" if wait.waiter is Waiter.STREAM else "host" for wait in shown]),
        Column(
            "For streams",
            "text",
            [", ".join(str(own_stream(stream)) for stream in wait.waited_streams) for wait in shown],
        ),
        Column("Start", "time", [stall_extent(wait, timeline)[0] - timeline.start_ns for wait in shown]),
        Column("Call took", "ns", [wait.end_ns - wait.start_ns for wait in shown]),
        Column("Stalled", "ns", [wait.stall_ns for wait in shown]),
        Column("Run", "int", [None if wait.run == NONE else wait.run for wait in shown]),
    )
    note = note_of(len(waits), len(shown), "waits", "the longest")
    return Table("waits", "Waits", note, columns, [f"w{i}" for i in rows])
