"""Counting runs by the second where logging each of them would fill the disk."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from math import log2
from time import time_ns

from ortprobe.bundle import Served
from ortprobe.capture.hook_log import HookLog

_PERIOD_NS = 1_000_000_000
_STEPS_PER_OCTAVE = 8
_ODD_FACTOR = 4
"""A run that took so many times as long as the average of its neighbours is worth a line of its own."""
_FEWEST_NEIGHBOURS = 8
_MOST_ODD = 5
"""Lines of their own in a second: 3 MB an hour."""


@dataclass(slots=True)
class _Count:
    start_ns: int
    end_ns: int = 0
    runs: int = 0
    total_ns: int = 0
    slowest_ns: int = 0
    odd: int = 0
    latencies: dict[int, int] = field(default_factory=dict)


class ServedRuns:
    """Runs that are not logged one by one, counted by session and line."""

    def __init__(self, log: HookLog) -> None:
        self._log = log
        self._counts: dict[tuple[int, str, str], _Count] = {}
        self._lock = threading.RLock()
        self._next_flush_ns = 0

    def add(self, session: int, what: str, site: str, start_ns: int, end_ns: int) -> bool:
        """Count a run; False when it is so odd that it is to be logged instead."""
        duration_ns = max(end_ns - start_ns, 1)
        with self._lock:
            if end_ns >= self._next_flush_ns:
                self._flush(end_ns)
            count = self._counts.get((session, what, site))
            if count is None:
                count = self._counts[session, what, site] = _Count(start_ns)
            is_odd = count.runs >= _FEWEST_NEIGHBOURS and duration_ns * count.runs > _ODD_FACTOR * count.total_ns
            if is_odd and count.odd < _MOST_ODD:
                count.odd += 1
                return False
            step = int(log2(duration_ns) * _STEPS_PER_OCTAVE)
            count.end_ns = end_ns
            count.runs += 1
            count.total_ns += duration_ns
            count.slowest_ns = max(count.slowest_ns, duration_ns)
            count.latencies[step] = count.latencies.get(step, 0) + 1
        return True

    def forget(self) -> None:
        """In a forked child: what has been counted is the parent's."""
        self._lock = threading.RLock()
        self._counts = {}

    def finish(self) -> None:
        """Log what has been counted and not logged yet."""
        with self._lock:
            self._flush(time_ns())

    def _flush(self, now_ns: int) -> None:
        counts, self._counts = self._counts, {}
        self._next_flush_ns = now_ns + _PERIOD_NS
        for (session, what, site), count in counts.items():
            self._log.append(
                Served(
                    what=what,
                    session=session,
                    site=site,
                    start_ns=count.start_ns,
                    end_ns=count.end_ns,
                    runs=count.runs,
                    total_ns=count.total_ns,
                    slowest_ns=count.slowest_ns,
                    latencies=tuple(sorted(count.latencies.items())),
                )
            )
