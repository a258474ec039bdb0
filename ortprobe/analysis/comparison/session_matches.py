"""Sessions as the program means them, and which of one side is which of the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.timeline import Bools, Timeline


class SessionMatch(StrEnum):
    CONTENT = "content"
    """The same model file, by its hash."""
    NAME = "name"
    """Model files of the same name."""
    ORDER = "order"
    """By neither: the n-th that is left on both sides."""
    ONLY_BEFORE = "only-before"
    ONLY_AFTER = "only-after"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOfSide:
    """A session of the program. C sessions that replaced or repeated one another are one."""

    sessions: tuple[tuple[int, ...], ...]
    """For each capture of the side the indices in `Timeline.sessions`; empty where a capture has none."""
    model: str
    """Path of the model, or the size of the bytes it was given as; empty where nobody saw it."""
    sha256: str
    """Of the model file; empty where it is not known."""

    def runs_of(self, side: Sequence[Analyses]) -> tuple[Bools, ...]:
        """For each capture, which rows of `Timeline.runs` are its runs."""
        return tuple(np.isin(each.timeline.runs.session, own) for each, own in zip(side, self.sessions, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedSession:
    match: SessionMatch
    before: SessionOfSide | None
    after: SessionOfSide | None


def match_sessions(before: Sequence[Analyses], after: Sequence[Analyses]) -> tuple[MatchedSession, ...]:
    """Sessions of both sides in the order of before, then those of after alone.

    By the hash of their models, then by the name, then by what is left of both in its order, if as many are left.
    """
    old, new = sessions_of_side(before), sessions_of_side(after)
    partner: dict[int, int] = {}
    found_by: dict[int, SessionMatch] = {}
    keys: tuple[tuple[SessionMatch, Callable[[SessionOfSide], str]], ...] = (
        (SessionMatch.CONTENT, lambda session: session.sha256),
        (SessionMatch.NAME, lambda session: PurePath(session.model).name),
        (SessionMatch.ORDER, lambda _: "any"),
    )
    for match, key_of in keys:
        free = [row for row in range(len(old)) if row not in partner]
        left = [row for row in range(len(new)) if row not in partner.values()]
        if match is SessionMatch.ORDER and len(free) != len(left):
            continue
        for first, second in _pairs(free, left, lambda row: key_of(old[row]), lambda row: key_of(new[row])):  # noqa: B023
            partner[first], found_by[first] = second, match
    both = [
        MatchedSession(
            match=found_by.get(row, SessionMatch.ONLY_BEFORE),
            before=session,
            after=new[partner[row]] if row in partner else None,
        )
        for row, session in enumerate(old)
    ]
    after_alone = [session for row, session in enumerate(new) if row not in partner.values()]
    return (
        *both,
        *(MatchedSession(match=SessionMatch.ONLY_AFTER, before=None, after=session) for session in after_alone),
    )


def sessions_of_side(side: Sequence[Analyses]) -> tuple[SessionOfSide, ...]:
    """The sessions of all captures of one side: the n-th one of a model is the same in each of them."""
    found: dict[tuple[str, int], list[tuple[int, ...]]] = {}
    stated: dict[tuple[str, int], tuple[str, str]] = {}
    for number, analyses in enumerate(side):
        count = defaultdict[str, int](int)
        for own in _chains(analyses):
            model, sha256 = _model_of(analyses.timeline, own)
            key = (sha256 or PurePath(model).name, count[sha256 or PurePath(model).name])
            count[key[0]] += 1
            found.setdefault(key, [()] * len(side))[number] = own
            stated.setdefault(key, (model, sha256))
    return tuple(
        SessionOfSide(sessions=tuple(own), model=stated[key][0], sha256=stated[key][1]) for key, own in found.items()
    )


def _chains(analyses: Analyses) -> Iterator[tuple[int, ...]]:
    """C sessions that are one to the program, in the order in which the first of each was made."""
    chain: dict[int, list[int]] = {}
    for life in analyses.sessions.lives:
        session = life.session
        if session.error:
            continue
        earlier = session.replaces if session.replaces is not None else life.repeats
        own = chain.get(earlier, []) if earlier is not None else []
        own.append(session.index)
        chain[session.index] = own
    seen: set[int] = set()
    for index, own in chain.items():
        if index not in seen:
            seen.update(own)
            yield tuple(own)


def _model_of(timeline: Timeline, own: Sequence[int]) -> tuple[str, str]:
    models = [timeline.sessions[index].model for index in own]
    model = next(filter(None, models), "")
    return model, timeline.capture.model_hashes.get(model, "")


def _pairs(
    old: Sequence[int], new: Sequence[int], key_of_old: Callable[[int], str], key_of_new: Callable[[int], str]
) -> Iterator[tuple[int, int]]:
    """Those with the same key, if it says something: the n-th with the n-th."""
    by_key: dict[str, list[int]] = {}
    for row in new:
        by_key.setdefault(key_of_new(row), []).append(row)
    for row in old:
        if (key := key_of_old(row)) and by_key.get(key):
            yield row, by_key[key].pop(0)
