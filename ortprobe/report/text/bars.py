"""Shares as horizontal bars of blocks."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉"
FULL = "█"
FILLS = (FULL, "▓", "▒", "░")
"""Told apart without colour."""
REST = "·"


def bar(share: float, cells: int) -> str:
    """A bar for a share from 0 to 1, to an eighth of a cell; what is more than nothing has an eighth at the least."""
    eighths = round(min(max(share, 0.0), 1.0) * cells * 8)
    full, left = divmod(max(eighths, 1) if share > 0 else 0, 8)
    return FULL * full + (_EIGHTHS[left] if left else "")


def cells_of(parts: Sequence[int], cells: int) -> list[int]:
    """How many cells each part of a whole has: together all of them, each less than one cell beside its share.

    Nothing has any where all parts are 0.
    """
    whole = sum(parts)
    if not whole:
        return [0] * len(parts)
    exact = [divmod(part * cells, whole) for part in parts]
    given = [full for full, _ in exact]
    largest_left = sorted(range(len(parts)), key=lambda at: -exact[at][1])
    for at in largest_left[: cells - sum(given)]:
        given[at] += 1
    return given
