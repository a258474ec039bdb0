"""What was captured elsewhere, and what was not captured or not judged, for a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.names import printable
from ortprobe.report.missing import missing
from ortprobe.report.text.layout import table_of
from ortprobe.rules import Judgement


def children_section(analyses: Analyses) -> RenderableType | None:
    """None without a child process."""
    children = analyses.timeline.capture.children
    if not children:
        return None
    table = table_of("process", "sessions", "runs", "bundle", right_from=0)
    table.columns[-1].justify = "left"
    for child in children:
        table.add_row(str(child.process), str(child.sessions), f"{child.runs:,}", Text(printable(child.bundle)))
    return table


def missing_section(judgement: Judgement) -> RenderableType | None:
    """None when nothing is missing."""
    lines = [printable(f"{each.what}: {each.why}") for each in missing(judgement)]
    return Text("\n".join(lines)) if lines else None
