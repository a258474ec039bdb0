"""What a change saves a run, with an interval, from the runs of both sides in several processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import numpy as np

from ortprobe.analysis.comparison.bootstrap import Change, change_of_pairs
from ortprobe.timeline import Int64s

NOTICEABLE = 0.01
"""A change of less than this share is none: processes that do the same differ as much."""
CLOSE_ENOUGH = 0.03
"""Where the interval holds no change at all, and ends before this share on both sides, the sides are the same within
it; where it is wider, there is no telling."""


class Verdict(StrEnum):
    """What the interval says."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNCLEAR = "unclear"
    """Too few runs, or too noisy a machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Side A against side B, a run."""

    verdict: Verdict
    a_ns: float
    b_ns: float
    saving_ns: float
    """Of B, at the level of A; negative where B is slower."""
    low_ns: float
    high_ns: float
    """The saving lies between these in 95 of 100 trials."""
    factor: float
    """B over A."""
    factor_low: float
    factor_high: float
    within: float
    """The greatest change, as a share of A, that the interval leaves possible."""
    pairs: int
    """Processes of each side."""
    runs: tuple[int, int]
    """Timed, of A and of B."""


def compute_saving(a: Sequence[Int64s], b: Sequence[Int64s], runs: tuple[int, int] | None = None) -> Saving | None:
    """The saving from the times of the runs of each side, process by process: `a[n]` and `b[n]` were made in turn.

    None where no process has runs of both sides. `runs` is how many runs the times are of, where it is not one each.
    """
    change = change_of_pairs(a, b)
    if change is None:
        return None
    within = max(abs(change.low - 1), abs(change.high - 1))
    return Saving(
        verdict=_verdict(change, within),
        a_ns=change.before_ns,
        b_ns=change.after_ns,
        saving_ns=-change.difference_ns,
        low_ns=-change.difference_high_ns,
        high_ns=-change.difference_low_ns,
        factor=change.factor,
        factor_low=change.low,
        factor_high=change.high,
        within=within,
        pairs=change.captures[0],
        runs=change.runs if runs is None else runs,
    )


def times_of(times_ns: Sequence[int]) -> Int64s:
    """As a column."""
    return cast(Int64s, np.array(times_ns, np.int64))


def _verdict(change: Change, within: float) -> Verdict:
    if within <= NOTICEABLE or (not change.is_real and within <= CLOSE_ENOUGH):
        return Verdict.SAME
    if not change.is_real:
        return Verdict.UNCLEAR
    return Verdict.FASTER if change.high < 1 else Verdict.SLOWER
