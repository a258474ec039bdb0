"""Names, paths and sentences cut to so many cells of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

ELLIPSIS = "…"


def cut(text: str, cells: int) -> str:
    """A sentence without its end: `The session was built again on…`."""
    if cell_len(text) <= cells:
        return text
    return _beginning(text, cells - 1).rstrip().rstrip(ELLIPSIS) + ELLIPSIS if cells > 0 else ""


def shorten(text: str, cells: int) -> str:
    """A name or a path without its middle, whole folders where that will do: `app/…/model.py:12`, `cuda…ynchronize`.

    What tells most stands at the end.
    """
    if cell_len(text) <= cells:
        return text
    *folders, last = text.split("/")
    return _without_folders(folders, last, cells) or _without_middle(last, cells)


def _without_folders(folders: Sequence[str], last: str, cells: int) -> str:
    """With as many of the last folders as fit, and the first one where it fits too; empty where none would do."""
    # Before a slash at the beginning stands a folder without a name.
    first = "/".join(folders[:2]) if folders and not folders[0] else "/".join(folders[:1])
    for kept in range(1, len(folders) + 1):
        tail = "/".join((*folders[kept:], last))
        for head in (f"{first}/{ELLIPSIS}/", f"{ELLIPSIS}/"):
            if cell_len(head + tail) <= cells:
                return head + tail
    return ELLIPSIS + last if folders and cell_len(ELLIPSIS + last) <= cells else ""


def _without_middle(text: str, cells: int) -> str:
    if cells <= 0:
        return ""
    before = (cells - 1) // 3
    return _beginning(text, before) + ELLIPSIS + _end(text, cells - 1 - before)


def _beginning(text: str, cells: int) -> str:
    """As many of the first characters as fit."""
    sized = set_cell_size(text, cells)
    # Of a wide character that is cut in half, a blank is left.
    return sized if text.startswith(sized) else sized[:-1]


def _end(text: str, cells: int) -> str:
    """As many of the last characters as fit, without marks whose character does not."""
    rest = text[len(_beginning(text, cell_len(text) - cells)) :]
    while rest and (not cell_len(rest[0]) or cell_len(rest) > cells):
        rest = rest[1:]
    return rest
