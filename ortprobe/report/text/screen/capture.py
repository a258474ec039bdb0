"""What the screen does not show: child processes, what was not captured, what could not be judged."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from ortprobe.names import printable
from ortprobe.report.missing import missing
from ortprobe.report.text.screen.grid import INDENT, headline
from ortprobe.rules import Judgement

_TITLE = "Not captured, not judged"


def missing_line(judgement: Judgement, width: int) -> list[Text]:
    """How many holes and unanswered rules there are, and as many of their names as a line has room for; before it the
    children. Empty where nothing is missing."""
    return [*_children(judgement), *_missing(judgement, width)]


def _missing(judgement: Judgement, width: int) -> list[Text]:
    names = [printable(each.what) for each in missing(judgement)]
    if not names:
        return []
    head = f"{INDENT}{len(names)}: "
    shown = ", ".join(names)
    for count in range(len(names) - 1, 0, -1):
        if cell_len(_TITLE + head + shown) <= width:
            break
        shown = f"{', '.join(names[:count])} and {len(names) - count} more"
    return [headline(_TITLE, head + shown)]


def _children(judgement: Judgement) -> list[Text]:
    children = judgement.analyses.timeline.capture.children
    if not children:
        return []
    runs = sum(child.runs for child in children)
    told = f"{INDENT}{len(children)} with {runs:,} runs, each a bundle of its own: children/"
    return [headline("Child processes", told)]
