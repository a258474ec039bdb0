"""Which stretches of memory were bound to an input or output of a session."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

_MOST_RANGES = 100_000


@dataclass(frozen=True, slots=True)
class Ranges:
    """Stretches `[starts[i], ends[i])` of addresses, ascending and apart from each other."""

    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    @classmethod
    def of(cls, stretches: Iterable[tuple[int, int]]) -> Ranges:
        """From pairs `(address, end)` in any order; those that overlap or touch become one."""
        starts: list[int] = []
        ends: list[int] = []
        for start, end in sorted(stretches):
            if ends and start <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)
        return cls(tuple(starts), tuple(ends))

    def overlap(self, address: int, size_bytes: int) -> bool:
        """Whether any byte of `[address, address + size_bytes)` lies in one of them."""
        before_end = bisect_right(self.starts, address + size_bytes - 1)
        return size_bytes > 0 and before_end > 0 and self.ends[before_end - 1] > address

    def __len__(self) -> int:
        return len(self.starts)


class BoundRanges:
    """The stretches bound so far, filled by the hooks on bind calls of any thread.

    Of a program that binds ever other addresses the nearest neighbours are joined, gap included: what is asked of a
    full set may be answered with a yes too many, never with one too few.

    Args:
        most_ranges: how many stretches are kept.
    """

    def __init__(self, most_ranges: int = _MOST_RANGES) -> None:
        self._most_ranges = most_ranges
        self._stretches: dict[tuple[int, int], None] = {}
        # Re-entered when a signal handler or a finalizer binds; that is why `_join_neighbours` works in place.
        self._lock = threading.RLock()

    def add(self, address: int, size_bytes: int) -> None:
        """Note `[address, address + size_bytes)`; nothing where the address or the size is 0, or it is known."""
        stretch = (address, address + size_bytes)
        if address <= 0 or size_bytes <= 0 or stretch in self._stretches:
            return
        with self._lock:
            self._stretches[stretch] = None
            if len(self._stretches) > self._most_ranges:
                self._join_neighbours()

    def ranges(self) -> Ranges:
        """What is bound at this moment."""
        with self._lock:
            return Ranges.of(self._stretches)

    def __len__(self) -> int:
        return len(self._stretches)

    def _join_neighbours(self) -> None:
        known = list(self._stretches)
        merged = Ranges.of(known)
        surplus = len(merged) - self._most_ranges // 2  # down to half, so that a full set is not merged at each call
        for stretch in known:
            del self._stretches[stretch]
        for stretch in _closest_joined(merged, surplus):
            self._stretches[stretch] = None


def _closest_joined(ranges: Ranges, count: int) -> list[tuple[int, int]]:
    """The stretches with the `count` smallest gaps between them closed."""
    gaps = sorted(range(1, len(ranges)), key=lambda right: ranges.starts[right] - ranges.ends[right - 1])
    closed = set(gaps[: max(count, 0)])
    joined: list[tuple[int, int]] = []
    for index, (start, end) in enumerate(zip(ranges.starts, ranges.ends, strict=True)):
        if index in closed:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
