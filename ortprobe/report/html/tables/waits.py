"""The page's table of waits."""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.waits.wait_groups import lines_of
from ortprobe.report.html.tables.model import Column, Table, note_of
from ortprobe.report.rows.sheet import stall_extents
from ortprobe.report.sayable import doubt_of_waits
from ortprobe.report.wording import NEED_LABELS, WAIT_ROLE_LABELS, site_text, waited_labels, waiter_labels
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE

_MAX_WAITS = 2000


def waits_table(judgement: Judgement) -> Table:
    """One row a wait, the longest first."""
    analyses = judgement.analyses
    timeline, waits = analyses.timeline, analyses.waits
    rows = np.argsort(waits.start_ns - waits.end_ns, kind="stable")[:_MAX_WAITS]
    shown = [waits.wait(row) for row in rows.tolist()]
    columns = (
        Column("Wait", "text", [wait.name for wait in shown]),
        Column("Who waits", "text", waiter_labels(waits, rows)),
        Column("Where", "text", [WAIT_ROLE_LABELS[wait.role] for wait in shown]),
        Column("Line", "text", [site_text(site) for site in lines_of(timeline, waits, rows)]),
        Column("Waited for", "text", waited_labels(waits, rows)),
        Column("Start", "time", (stall_extents(waits)[0][rows] - timeline.start_ns).tolist()),
        Column("Call took", "ns", [wait.end_ns - wait.start_ns for wait in shown]),
        Column("Stalled", "ns", [wait.stall_ns for wait in shown]),
        Column("Needed", "text", [NEED_LABELS[wait.need] for wait in shown]),
        Column("Run", "int", [None if wait.run == NONE else wait.run for wait in shown]),
    )
    note = note_of(len(waits), len(shown), "waits", "the longest")
    unknown = doubt_of_waits(analyses)
    return Table("waits", "Waits", f"{note}; {unknown}" if unknown else note, columns, [f"w{row}" for row in rows])
