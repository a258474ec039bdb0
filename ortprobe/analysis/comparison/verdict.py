"""Slower, faster, the same within so much, or no telling: what an interval allows to be said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ortprobe.analysis.comparison.bootstrap import Change


class Outcome(StrEnum):
    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    """No change that counts; how large one there can still be is `Verdict.within`."""
    CANT_TELL = "cant-tell"


class Reason(StrEnum):
    """Why nobody can tell."""

    NO_RUNS = "no-runs"
    """No session ran on both sides with the same attached."""
    TOO_FEW_RUNS = "too-few-runs"
    TOO_WIDE = "too-wide"
    """The runs, or the captures, vary so much that a change that counts can be there or not."""
    OTHER_HARDWARE = "other-hardware"
    OTHER_SESSIONS = "other-sessions"
    """A session that matters is on one side alone."""
    UNDERMINED = "undermined"
    """Problems of a capture make its figures wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Which changes count, as shares: 0.05 for 5 %."""

    counts: float
    """The smallest change that counts."""
    same: float
    """Where so much can still be there, nobody says that two sides are the same."""


ANY_CHANGE = Gate(counts=0.01, same=0.10)
"""Where the user names no smallest change. Two builds of the same source differ by up to 1 % (code and data lie
elsewhere); an interval beyond 10 % would call most regressions that people look for the same."""


def gate_of(smallest: float) -> Gate:
    """Where the user names the smallest change that counts."""
    return Gate(counts=smallest, same=smallest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What can be said of a time."""

    outcome: Outcome
    within: float | None = None
    """SAME, and CANT_TELL for TOO_WIDE: the greatest change that the interval allows, as a share; else None."""
    reasons: tuple[Reason, ...] = ()
    """CANT_TELL: why; else empty."""
    details: tuple[str, ...] = ()
    """What is behind the reasons, a clause each; empty where they say it all."""


def verdict_of(change: Change, gate: Gate) -> Verdict:
    """Slower or faster where no change at all lies outside of the interval and what was measured counts."""
    within = max(abs(change.low - 1), abs(change.high - 1))
    if change.is_real and abs(change.factor - 1) >= gate.counts:
        return Verdict(outcome=Outcome.SLOWER if change.factor > 1 else Outcome.FASTER)
    if within <= gate.same:
        return Verdict(outcome=Outcome.SAME, within=within)
    return Verdict(outcome=Outcome.CANT_TELL, within=within, reasons=(Reason.TOO_WIDE,))
