"""The ranges `iteration`, in programs that do not say where their loop begins.

An iteration begins where a thread, once it has run a session, comes back to a line that it passed on the way to that
run: what lies from one run's preparation to the next is one iteration, with all that the program does between. The
creation of a session before the loop is outside. A Runner that is called says itself what an iteration is.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ortprobe.capture.hooks.callsite import call_site
from ortprobe.capture.hooks.nvtx_domain import open_domain

if TYPE_CHECKING:
    import nvtx

ITERATION = "iteration"
_numbers = itertools.count()
_Line = tuple[str, str]


class ThreadIterations(threading.local):
    """The iteration that this thread is in, and how deep in ranges of ours."""

    def __init__(self) -> None:
        self._depth = 0
        self._open: _Iteration | None = None
        self._to_run: set[_Line] = set()
        """Lines that the thread passed in this iteration up to its last run."""
        self._since: set[_Line] = set()
        """Those that it has passed since."""

    def entering(self, name: str, category: str) -> None:
        """The thread is about to open the range of a call."""
        if self._depth == 0:
            with suppress(Exception):
                self._called((name, call_site(2)), category)
        self._depth += 1

    def left(self) -> None:
        """It has closed that range."""
        self._depth -= 1

    def end_iteration(self) -> None:
        """Close the iteration that is open, if any. Inside of a call it stays: what closes is a thread's innermost
        range, which is the call's."""
        if self._open is not None and self._depth == 0:
            self._open.close()
            self._open = None

    @contextmanager
    def iteration(self) -> Iterator[None]:
        """What is inside is one iteration."""
        with self.apart():
            opened = _Iteration.open()
            try:
                yield
            finally:
                if opened is not None:
                    opened.close()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What is inside is in no iteration that its lines make."""
        self.end_iteration()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def _called(self, line: _Line, category: str) -> None:
        comes_back = line in self._to_run
        if comes_back:
            self.end_iteration()
            self._to_run.clear()
            self._since.clear()
        if self._open is None and (comes_back or category != "session"):
            self._open = _Iteration.open()
        self._since.add(line)
        if category == "run":
            self._to_run |= self._since
            self._since.clear()


class _Iteration:
    """An open range. The thread that goes away closes what it leaves open: Python drops what it keeps for a thread in
    that thread's last moments."""

    def __init__(self, domain: nvtx.Domain) -> None:
        self._domain: nvtx.Domain | None = domain
        self._thread = threading.get_ident()

    @classmethod
    def open(cls) -> _Iteration | None:
        domain = open_domain()
        if domain is None:
            return None
        domain.push_range(domain.get_event_attributes(message=ITERATION, category=ITERATION, payload=next(_numbers)))
        return cls(domain)

    def close(self) -> None:
        if self._domain is not None and self._thread == threading.get_ident():
            self._domain.pop_range()
        self._domain = None

    __del__ = close


in_thread = ThreadIterations()
