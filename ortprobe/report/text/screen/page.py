"""The sections one below the other, with a blank line between them where the screen has room for it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ortprobe.report.text.screen.capture import missing_line
from ortprobe.report.text.screen.devices import devices_section
from ortprobe.report.text.screen.head import findings_section, verdict_lines
from ortprobe.report.text.screen.nodes import nodes_section
from ortprobe.report.text.screen.runs import runs_section
from ortprobe.report.text.screen.sessions import sessions_section
from ortprobe.report.text.screen.waits import waits_section
from ortprobe.report.text.shorten import cut
from ortprobe.rules import Judgement

_HEIGHT = 40
"""What a report may take of any terminal; one of 24 lines never held one."""


def render_screen(judgement: Judgement, console: Console) -> None:
    """Print the report on one screen. All names come from traces and are printed as they are, never read as markup."""
    height = max(_HEIGHT, console.height - 1) if console.is_terminal else _HEIGHT
    next_line = Text(cut(_next_steps(judgement), console.width))
    print_lines([*screen_lines(judgement, console.width, height), next_line], console)


def print_lines(lines: Iterable[Text], console: Console) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, no_wrap=True, overflow="crop", highlight=False)


def screen_lines(judgement: Judgement, width: int, height: int = _HEIGHT) -> list[Text]:
    """Every line of the screen but what to do next, none of them wider than `width`.

    There are as many as there is to say; of `height` lines those that are left over stand blank between the sections.
    """
    analyses = judgement.analyses
    sections = [
        verdict_lines(judgement, width),
        findings_section(judgement, width),
        sessions_section(analyses, width),
        runs_section(analyses, width),
        devices_section(analyses, width),
        nodes_section(analyses, width),
        waits_section(analyses, width),
        missing_line(judgement, width),
    ]
    shown = [section for section in sections if section]
    # What to do next is a line more.
    has_room = sum(map(len, shown)) + len(shown) < height
    lines = [line for section in shown for line in ([*section, Text()] if has_room else section)]
    return [_fitted(line, width) for line in lines]


def _next_steps(judgement: Judgement) -> str:
    """How to read on, about the gravest finding and about all of it."""
    gravest = [f"ortprobe explain {finding.code}" for finding in judgement.findings[:1]]
    return f"next: {'; '.join([*gravest, 'all of it: --format details', 'the page: -o NAME.html'])}"


def _fitted(line: Text, width: int) -> Text:
    """The line as it is; one that is too wide all the same without its end."""
    if cell_len(line.plain) > width:
        line.plain = cut(line.plain, width)
    return line
