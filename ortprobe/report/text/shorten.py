"""Names, paths and sentences cut to so many cells of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

ELLIPSIS = "…"


def cut(text: str, cells: int) -> str:
    """A sentence without its end: `The session was built again on…`."""
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, cells - 1).rstrip() + ELLIPSIS if cells > 0 else ""


def shorten(text: str, cells: int) -> str:
    """A name or a path without its middle, whole folders where that will do: `app/…/model.py:12`, `cudaStr…ronize`.

    What tells most stands at the end, then at the beginning.
    """
    if cell_len(text) <= cells:
        return text
    *folders, last = text.split("/")
    return _without_folders(folders, last, cells) or _without_middle(last, cells)


def _without_folders(folders: Sequence[str], last: str, cells: int) -> str:
    """With the first folder and as many of the last ones as fit, else without the first; empty where none would do."""
    if not folders:
        return ""
    # Before a slash at the beginning stands a folder without a name.
    first = "/".join(folders[:2]) if not folders[0] else folders[0]
    for head in (f"{first}/{ELLIPSIS}/", f"{ELLIPSIS}/", ELLIPSIS):
        for kept in range(1, len(folders)):
            tail = "/".join((*folders[kept:], last))
            if cell_len(head + tail) <= cells:
                return head + tail
        if cell_len(head + last) <= cells:
            return head + last
    return ""


def _without_middle(text: str, cells: int) -> str:
    if cells <= 0:
        return ""
    before = (cells - 1) // 3
    # Cutting the reversed text from its end keeps the last cells.
    after = set_cell_size(text[::-1], cells - 1 - before)[::-1]
    return set_cell_size(text, before) + ELLIPSIS + after
