"""Ranges in the NVTX domain `ortprobe`, which Nsight Systems shows as rows of their own.

Names are those of the calls, so that they stay the same over runs and `nsys stats` sums them up; the category says
which of the steps a call belongs to, and the payload of a run or an iteration is its number. They nest: `iteration`,
then what the program calls (the steps of a Runner first), then what those call.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Literal

from ortprobe.bundle import PROGRAM_RANGE
from ortprobe.capture.hooks.nvtx_domain import open_domain
from ortprobe.capture.hooks.nvtx_iterations import in_thread

Category = Literal["program", "session", "bind", "copy", "run", "clone", "wait"]
Push = Callable[[int | None], None]
Pop = Callable[[], None]


def no_push(_payload: int | None = None) -> None:
    """Opens nothing: no tool listens."""


def no_pop() -> None:
    """Closes nothing: no tool listens."""


@cache
def range_functions(name: str, category: Category) -> tuple[Push, Pop]:
    """A function that opens the range `name` in this thread, given a payload or None, and one that closes it.

    Where no tool listens, or the package nvtx can't be used, these are `no_push` and `no_pop`.
    """
    domain = open_domain()
    if domain is None:
        return no_push, no_pop
    try:
        plain = domain.get_event_attributes(message=name, category=category)
    except Exception:
        return no_push, no_pop

    def push(payload: int | None = None) -> None:
        in_thread.entering(name, category)
        if payload is None:
            domain.push_range(plain)
        else:
            domain.push_range(domain.get_event_attributes(message=name, category=category, payload=payload))

    def pop() -> None:
        domain.pop_range()
        in_thread.left()

    return push, pop


class ProgramRange:
    """The range `program`, while which nsys records (`-c nvtx -p program@ortprobe`).

    It belongs to the process, so that no range that a thread leaves open keeps it open. Seen in nsys 2022.4 and 2023.4:
    the first process to begin it, parent or child, begins the recording of all (0.1 s), and a process that dies in it
    leaves a whole recording, which goes on in the others. The program alone ends it (2 to 4 s), its children do not.
    """

    def __init__(self) -> None:
        self._opened: int | None = None
        self._process = 0

    @property
    def has_begun(self) -> bool:
        """Also once it has ended."""
        return self._process != 0

    def begin(self) -> None:
        """Open it, once, if that can be done. The package nvtx imports numpy: not before the program does."""
        domain = open_domain()
        if domain is None or self.has_begun:
            return
        # Hooks are put in after this, whether or not it works.
        with suppress(Exception):
            attributes = domain.get_event_attributes(message=PROGRAM_RANGE, category=PROGRAM_RANGE)
            self._opened = domain.start_range(attributes)
            self._process = os.getpid()

    def end(self) -> None:
        """Close it, and this thread's iteration, if this process opened it; what was forked from it leaves it open."""
        opened, self._opened = self._opened, None
        domain = open_domain() if opened is not None and self._process == os.getpid() else None
        if domain is not None:
            in_thread.end_iteration()
            domain.end_range(opened)
