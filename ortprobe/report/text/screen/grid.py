"""Lines of a section: columns that give way where the screen is narrow, and facts that fill lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from ortprobe.names import printable
from ortprobe.report.text.bars import bar
from ortprobe.report.text.shorten import shorten

INDENT = "  "
_GAP = 2
_LEAST_BAR, _LONGEST_BAR = 6, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table without a frame."""

    heading: str
    figures: bool = False
    """Figures stand on the right."""
    least: int | None = None
    """How narrow it can get; None for one that is never shortened."""
    shortened: Callable[[str, int], str] = shorten


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int, shares: Sequence[float] = ()
) -> list[Text]:  # fmt: skip
    """A line of headings, of which the first is the section's title, and a line for each row.

    Where they don't fit, columns that can be shortened are, the last one first. Cells are printed as they are, never
    read as markup. `shares`, one a row from 0 to 1, are bars behind the columns.
    """
    cells = [[INDENT + printable(first), *map(printable, rest)] for first, *rest in rows]
    headings = [column.heading for column in columns]
    widths = _widths(columns, [headings, *cells], width - (_GAP + _LEAST_BAR if shares else 0))
    head, *body = (_line(columns, row, widths) for row in [headings, *cells])
    if shares:
        used = sum(widths) + _GAP * len(widths)
        bar_cells = max(0, min(_LONGEST_BAR, width - used))
        bars = (bar(share, bar_cells) for share in shares)
        body = [line + " " * (used - cell_len(line)) + drawn for line, drawn in zip(body, bars, strict=True)]
    return [headline(headings[0], head[len(headings[0]) :]), *map(Text, body)]


def headline(title: str, rest: str = "") -> Text:
    """The first line of a section."""
    return Text.assemble((title, "bold"), (rest, "dim"))


def facts(title: str, items: Iterable[str], width: int, separator: str = ", ") -> list[Text]:
    """The facts of a section behind its title, on as few lines as hold them whole."""
    first, *others = packed(items, width - cell_len(title) - len(INDENT), width, separator)
    return [Text.assemble((title, "bold"), INDENT, first), *map(Text, others)]


def notes(sentences: Iterable[str], width: int, separator: str = "; ") -> list[Text]:
    """What is to be said below a table or a drawing."""
    lines = packed(sentences, width - len(INDENT), width, separator)
    return [Text(INDENT + line.strip(), "dim") for line in lines if line]


def packed(items: Iterable[str], first_width: int, width: int, separator: str = ", ") -> list[str]:
    """The items in their order on as few lines as hold them whole, those too long for a line broken between words;
    lines but the first are indented."""
    lines, room = [""], first_width
    for before, piece in _pieces(map(printable, items), width - len(INDENT), separator):
        longer = lines[-1] + before + piece if lines[-1] else piece
        if not lines[-1] or cell_len(longer + separator.rstrip()) <= room:
            lines[-1] = longer
        else:
            lines[-1] += before.rstrip()
            lines.append(INDENT + piece)
            room = width
    return lines


def _pieces(items: Iterable[str], room: int, separator: str) -> Iterator[tuple[str, str]]:
    """(what stands before it on a line, what can't be broken) for each item, or for each word of a long one."""
    for item in items:
        first, *others = item.split() if cell_len(item + separator.rstrip()) > room else [item]
        yield separator, first
        yield from ((" ", word) for word in others)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    widths = [max(map(cell_len, texts)) for texts in zip(*rows, strict=True)]
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    for at in reversed(range(len(columns))):
        least = columns[at].least
        if least is not None and excess > 0:
            given = min(excess, max(0, widths[at] - least))
            widths[at] -= given
            excess -= given
    return widths


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> str:
    cells = []
    for column, text, width in zip(columns, row, widths, strict=True):
        shown = column.shortened(text, width) if column.least is not None else text
        blank = " " * (width - cell_len(shown))
        cells.append(blank + shown if column.figures else shown + blank)
    return (" " * _GAP).join(cells).rstrip()
