"""Who waited for whom, for a terminal."""

from __future__ import annotations

from pathlib import PurePath

from rich.console import Group, RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.names import printable
from ortprobe.report.sayable import doubt_of_waits, stated_waits
from ortprobe.report.text.layout import table_of
from ortprobe.report.wording import WAIT_ROLE_LABELS, not_needed_text, unresolved_text
from ortprobe.units import format_ns

TOP_WAITS = 5


def waits_section(analyses: Analyses) -> RenderableType | None:
    """The groups of waits that stalled longest; None without a wait."""
    groups = stated_waits(analyses)
    if not groups:
        return None
    shown = [group for group in groups if group.stall_ns != 0][:TOP_WAITS] or groups[:1]
    table = table_of("call", "where", "line", "waits", "stalled", "not needed", right_from=3)
    for group in shown:
        line = f"{PurePath(group.site.file).name}:{group.site.line}" if group.site else ""
        names = (group.name, WAIT_ROLE_LABELS[group.role], line)
        figures = (f"{group.count:,}", format_ns(group.stall_ns), format_ns(group.not_needed_ns))
        table.add_row(*(Text(printable(name)) for name in names), *figures)
    others = [group for group in groups if group not in shown]
    known_ns = [group.stall_ns for group in others if group.stall_ns is not None]
    stalled = format_ns(sum(known_ns) if known_ns else None)
    rest = f"{sum(group.count for group in others):,} more waits: {stalled}" if others else ""
    lines = (rest, unresolved_text(groups), doubt_of_waits(analyses) or not_needed_text(groups))
    return Group(table, *(Text(line) for line in lines if line))
