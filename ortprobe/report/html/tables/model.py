"""Tables of the page as columns. `js/tables.js` draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Cell = str | int | None
Kind = Literal["text", "int", "ns", "more", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. In ns: `ns` is a duration, `more` a difference of two, `time` a moment after the first event."""

    label: str
    kind: Kind
    values: Sequence[Cell]
    keys: Sequence[str] = ()
    """Names the mark that each cell shows in the timeline, where that is another one than the row's; else empty."""


@dataclass(frozen=True, slots=True)
class Table:
    """`keys[i]` names the mark that row i shows in the timeline."""

    key: str
    title: str
    note: str
    columns: Sequence[Column]
    keys: Sequence[str]
    open: bool = False


def longest(count: int, most: int, length_ns: Callable[[int], int]) -> list[int]:
    """Positions of the longest of `count` things, the longest first, `most` at the most."""
    return sorted(range(count), key=lambda i: -length_ns(i))[:most]


def note_of(total: int, shown: int, what: str, which: str) -> str:
    """How many there are, and which of them are shown."""
    if not total:
        return f"no {what} in this capture"
    if total == 1:
        return f"1 {what.removesuffix('s')}"
    return f"{total:,} {what}" if shown == total else f"{which} {shown:,} of {total:,} {what}; {total - shown:,} more"
