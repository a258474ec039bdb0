"""Ranges in the NVTX domain `ortprobe`, which Nsight Systems shows as rows of their own.

Names are those of the calls, so that they stay the same over runs and `nsys stats` sums them up; the category says
which of the steps a call belongs to, and the payload of a run is its number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

DOMAIN = "ortprobe"
Category = Literal["session", "bind", "copy", "run", "clone", "wait"]
Push = Callable[[int | None], None]
Pop = Callable[[], None]


def no_push(_payload: int | None = None) -> None:
    """Opens nothing: no tool listens."""


def no_pop() -> None:
    """Closes nothing: no tool listens."""


@cache
def range_functions(name: str, category: Category) -> tuple[Push, Pop]:
    """A function that opens the range `name` in this thread, given a payload or None, and one that closes it.

    Where no tool listens, or the package nvtx can't be used, these are `no_push` and `no_pop`: NVTX looks for a tool
    once, when a domain is made (`nvtxDomainIsEnabled`, nvtx 0.2.12 and later).
    """
    try:
        import nvtx

        domain = nvtx.get_domain(DOMAIN)
        plain = domain.get_event_attributes(message=name, category=category)
    except Exception:
        return no_push, no_pop
    if plain is None:
        return no_push, no_pop

    def push(payload: int | None = None) -> None:
        if payload is None:
            domain.push_range(plain)
        else:
            domain.push_range(domain.get_event_attributes(message=name, category=category, payload=payload))

    def pop() -> None:
        domain.pop_range()

    return push, pop
