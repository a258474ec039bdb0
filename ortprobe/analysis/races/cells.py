"""Memory cut at every border of an access, so that each access touches whole cells."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable


class Cells:
    """Cells between the borders of stretches, numbered by address."""

    def __init__(self, stretches: Iterable[tuple[int, int]]) -> None:
        self._borders = sorted({border for stretch in stretches for border in stretch})

    def of(self, start: int, past: int) -> tuple[int, int]:
        """The cells of one of the stretches: from the first up to the second."""
        return bisect_left(self._borders, start), bisect_left(self._borders, past)
