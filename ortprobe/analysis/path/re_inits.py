"""What the program would take for a run if it had not built sessions again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.hooked_calls import OWN_HOOKS
from ortprobe.analysis.sessions.session_lives import SessionLife, SessionLives
from ortprobe.timeline import Int64s, Timeline
from ortprobe.timeline.intervals import union


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutReInits:
    """The runs of one Python session, whose C sessions replaced one another. Times for one run on average, with all
    that is around it but the tracer's own work."""

    sessions: tuple[int, ...]
    """Indices in `Timeline.sessions`, in their order."""
    runs: int
    re_inits: int
    pace_ns: int
    """As the program went, from the start of its first run to the start of its last."""
    without_ns: int
    """Without creating sessions again, and without what their first runs took over steady ones."""
    high_ns: int
    """Without creating sessions again, their first runs left as they were."""


def compute_without_re_inits(timeline: Timeline, lives: SessionLives) -> tuple[WithoutReInits, ...]:
    """One entry for each Python session that was given another C session between its first run and its last."""
    found = []
    for chain in _chains(lives):
        rows = np.flatnonzero(np.isin(timeline.runs.session, [life.session.index for life in chain]))
        again = [life for life in chain[1:] if _between(timeline, life, rows)]
        if again:
            found.append(_without(timeline, chain, again, rows))
    return tuple(found)


def _chains(lives: SessionLives) -> Iterator[list[SessionLife]]:
    successor = {life.session.replaces: life for life in lives.lives if life.session.replaces is not None}
    for first in lives.lives:
        if first.session.replaces is None and first.session.index in successor:
            chain = [first]
            while (following := successor.get(chain[-1].session.index)) is not None:
                chain.append(following)
            yield chain


def _between(timeline: Timeline, life: SessionLife, rows: Int64s) -> bool:
    if life.creation_ns is None or not len(rows):
        return False
    starts_ns = timeline.runs.start_ns[rows]
    return int(starts_ns[0]) <= life.session.start_ns <= int(starts_ns[-1])


def _without(timeline: Timeline, chain: list[SessionLife], again: list[SessionLife], rows: Int64s) -> WithoutReInits:
    starts_ns = timeline.runs.start_ns[rows]
    bounds = (starts_ns[:1], starts_ns[-1:])
    whole_ns = int(bounds[1][0] - bounds[0][0]) - int(covered_ns(_tracer(timeline), bounds)[0])
    passes = len(rows) - 1
    creations_ns = sum(life.creation_ns or 0 for life in again)
    costs_ns = sum(life.re_init_cost_ns or life.creation_ns or 0 for life in again)
    return WithoutReInits(
        sessions=tuple(life.session.index for life in chain),
        runs=len(rows),
        re_inits=len(again),
        pace_ns=whole_ns // passes,
        without_ns=(whole_ns - costs_ns) // passes,
        high_ns=(whole_ns - creations_ns) // passes,
    )


def _tracer(timeline: Timeline) -> tuple[Int64s, Int64s]:
    """When the capture did work of its own inside the program."""
    hooks = timeline.hooks
    own = [number for number, name in enumerate(timeline.names) if name.startswith(OWN_HOOKS)]
    spans = hooks.span[np.isin(hooks.what, own)]
    return union(timeline.spans.start_ns[spans], timeline.spans.end_ns[spans])
