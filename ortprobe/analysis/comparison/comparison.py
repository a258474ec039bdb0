"""Captures of a program before and after a change: what differs, how sure that is, and what makes the difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.session_changes import SessionChange, compute_session_change
from ortprobe.analysis.comparison.session_matches import match_sessions
from ortprobe.analysis.comparison.surroundings import Difference, Surrounding, compare_surroundings
from ortprobe.analysis.comparison.verdict import ANY_CHANGE, Gate, Outcome, Reason, Verdict
from ortprobe.analysis.comparison.work_changes import (
    IdleChange,
    KernelChange,
    WaitChange,
    idle_changes,
    kernel_changes,
    wait_changes,
)
from ortprobe.analysis.trust.claims import Claim

MINOR_SHARE = 0.1
"""A session with less of the time of all runs decides nothing; it has its own verdict."""


_GRAVEST_FIRST = (Outcome.SLOWER, Outcome.CANT_TELL, Outcome.FASTER, Outcome.SAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Facts of both sides beside one another. Several captures of a side are repeats of the same."""

    before: tuple[Analyses, ...]
    after: tuple[Analyses, ...]
    gate: Gate
    verdict: Verdict
    """Of the sessions that matter together: one that is slower makes the program slower."""
    main: int | None
    """Position in `sessions` of the one whose runs took the most time; None where none is on both sides."""
    sessions: tuple[SessionChange, ...]
    """In the order of before, then those that only after has."""
    surroundings: tuple[Difference, ...]
    """Hardware, versions and program, as far as they differ."""
    unsayable: Mapping[Claim, str]
    """What can't be said of one of the captures, and why: it is left out of everything else here."""
    kernels: tuple[KernelChange, ...]
    """The largest difference first, those that don't differ too."""
    idle: tuple[IdleChange, ...]
    """The largest difference first; empty where a side has no trace of a device."""
    waits: tuple[WaitChange, ...]
    """The largest difference first."""
    re_inits: tuple[float, float]
    """For each capture on average."""


def compare(before: Sequence[Analyses], after: Sequence[Analyses], gate: Gate = ANY_CHANGE) -> Comparison:
    """Compare the captures of one side with those of the other.

    Raises:
        ValueError: a side has no capture.
    """
    if not before or not after:
        raise ValueError("a side has no capture")
    sides = tuple(before), tuple(after)
    unsayable = _unsayable((*before, *after))
    surroundings = compare_surroundings(before, after)
    matched = match_sessions(before, after)
    sessions = tuple(compute_session_change(sides, session, gate, unsayable) for session in matched)
    both = [row for row, session in enumerate(sessions) if session.on_both_sides]
    main = max(both, key=lambda row: sessions[row].share) if both else None
    return Comparison(
        before=sides[0],
        after=sides[1],
        gate=gate,
        verdict=_verdict(sessions, main, tuple(_doubts(sides, surroundings))),
        main=main,
        sessions=sessions,
        surroundings=surroundings,
        unsayable=unsayable,
        kernels=kernel_changes(sides) if Claim.GPU_TIME not in unsayable else (),
        idle=idle_changes(sides) if Claim.IDLE not in unsayable else (),
        waits=wait_changes(sides) if not {Claim.WAITS, Claim.GPU_TIME} & set(unsayable) else (),
        re_inits=(_re_inits(before), _re_inits(after)),
    )


def _unsayable(captures: Sequence[Analyses]) -> dict[Claim, str]:
    found: dict[Claim, str] = {}
    for analyses in captures:
        for claim in Claim:
            answer = analyses.integrity.can_say(claim)
            if not answer.yes:
                found.setdefault(claim, answer.why_not)
    return found


def _doubts(
    sides: tuple[Sequence[Analyses], Sequence[Analyses]], surroundings: Sequence[Difference]
) -> Iterator[tuple[Reason, str]]:
    """Why no comparison of times holds, whatever they are."""
    for side, captures in zip(("before", "after"), sides, strict=True):
        for analyses in captures:
            if analyses.integrity.undermining:
                yield Reason.UNDERMINED, f"{side}: {analyses.integrity.undermining[0].detail}"
            elif why_not := analyses.integrity.can_say(Claim.LATENCY).why_not:
                yield Reason.UNDERMINED, f"{side}: {why_not}"
    for each in surroundings:
        if each.kind is Surrounding.HARDWARE:
            old, new = (", ".join(values) for values in (each.before, each.after))
            yield Reason.OTHER_HARDWARE, f"{each.name}: {old} before, {new} after"


def _verdict(sessions: Sequence[SessionChange], main: int | None, doubts: Sequence[tuple[Reason, str]]) -> Verdict:
    if doubts:
        return _cant_tell(doubts)
    if main is None:
        return _cant_tell([(Reason.NO_RUNS, "")])
    counting = [each for row, each in enumerate(sessions) if row == main or each.share >= MINOR_SHARE]
    both = [each.verdict for each in counting if each.on_both_sides]
    for outcome in _GRAVEST_FIRST:
        if outcome is Outcome.CANT_TELL and len(both) < len(counting):
            return _cant_tell([(Reason.OTHER_SESSIONS, "")])
        found = [verdict for verdict in both if verdict.outcome is outcome]
        if found:
            return max(found, key=lambda verdict: verdict.within or 0.0)
    return _cant_tell([(Reason.NO_RUNS, "")])


def _cant_tell(doubts: Sequence[tuple[Reason, str]]) -> Verdict:
    return Verdict(
        outcome=Outcome.CANT_TELL,
        reasons=tuple(dict.fromkeys(reason for reason, _ in doubts)),
        details=tuple(dict.fromkeys(detail for _, detail in doubts if detail)),
    )


def _re_inits(side: Sequence[Analyses]) -> float:
    return sum(each.sessions.re_inits for each in side) / len(side)
