"""The waits that stalled longest, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.waits.wait_groups import WaitGroup
from ortprobe.report.sayable import doubt_of_waits, stated_waits
from ortprobe.report.text.screen.grid import Column, notes, table
from ortprobe.report.text.shorten import cut
from ortprobe.report.wording import WAIT_ROLE_LABELS, not_needed_text, unresolved_text
from ortprobe.units import format_ns

TOP_WAITS = 3


def waits_section(analyses: Analyses, width: int) -> list[Text]:
    """The groups of waits that stalled longest; empty without a wait."""
    groups = stated_waits(analyses)
    if not groups:
        return []
    shown = [group for group in groups if group.stall_ns != 0][:TOP_WAITS] or groups[:1]
    counted = sum(group.count for group in groups)
    columns = (
        Column(heading=f"Waits, {sum(group.count for group in shown):,} of {counted:,}", least=16),
        Column(heading="where", least=14, shortened=cut),
        Column(heading="line", least=17),
        *(Column(heading=heading, figures=True) for heading in ("waits", "stalled", "not needed")),
    )
    told = filter(None, (unresolved_text(groups), doubt_of_waits(analyses) or not_needed_text(groups)))
    return [*table(columns, map(_row, shown), width), *notes(told, width)]


def _row(group: WaitGroup) -> Sequence[str]:
    line = f"{PurePath(group.site.file).name}:{group.site.line}" if group.site else "–"
    figures = (f"{group.count:,}", format_ns(group.stall_ns), format_ns(group.not_needed_ns))
    return group.name, WAIT_ROLE_LABELS[group.role], line, *figures
