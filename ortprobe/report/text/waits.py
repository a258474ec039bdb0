"""Who waited for whom, for a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.names import printable
from ortprobe.report.text.layout import table_of
from ortprobe.units import format_ns

TOP_WAITS = 5


def waits_section(analyses: Analyses) -> RenderableType | None:
    """None without a wait."""
    waits = analyses.waits
    if not waits.waits:
        return None
    table = table_of("call", "waits", "stalled", "resolved", right_from=1)
    names = dict.fromkeys(wait.name for wait in waits.waits)
    by_name = {name: [wait for wait in waits.waits if wait.name == name] for name in names}
    dearest = sorted(by_name.items(), key=lambda each: -sum(wait.stall_ns or 0 for wait in each[1]))
    for name, group in dearest[:TOP_WAITS]:
        known = [wait.stall_ns for wait in group if wait.stall_ns is not None]
        table.add_row(
            Text(printable(name)),
            str(len(group)),
            format_ns(sum(known) if known else None),
            f"{len(known)} of {len(group)}",
        )
    return table
