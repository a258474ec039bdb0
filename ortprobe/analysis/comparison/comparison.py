"""Captures of a program before and after a change: what differs, how sure that is, and what makes the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.session_changes import SessionChange
from ortprobe.analysis.comparison.surroundings import Difference
from ortprobe.analysis.comparison.verdict import ANY_CHANGE, Gate, Verdict
from ortprobe.analysis.comparison.work_changes import IdleChange, KernelChange, WaitChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Facts of both sides beside one another. Several captures of a side are repeats of the same."""

    before: tuple[Analyses, ...]
    after: tuple[Analyses, ...]
    gate: Gate
    verdict: Verdict
    """Of the sessions together, as far as those that run on both sides tell."""
    main: int | None
    """Position in `sessions` of the one whose runs took the most time; None where no session ran on both sides."""
    sessions: tuple[SessionChange, ...]
    """Those of both sides in the order of before, then those that only one side has."""
    surroundings: tuple[Difference, ...]
    """Versions, hardware and program, as far as they differ."""
    kernels: tuple[KernelChange, ...]
    """The largest difference first; those that don't differ too."""
    idle: tuple[IdleChange, ...]
    """Of all devices together, the largest difference first; empty where a side has no trace of a device."""
    waits: tuple[WaitChange, ...]
    """The largest difference first."""


def compare(before: Sequence[Analyses], after: Sequence[Analyses], gate: Gate = ANY_CHANGE) -> Comparison:
    """Compare the captures of one side with those of the other.

    Raises:
        ValueError: a side has no capture.
    """
    raise NotImplementedError
