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

PAIR_SPREAD = 0.01
"""How much both sides of a pair are assumed to differ though they do the same (standard deviation): less than processes
of different moments do, since they take turns."""
LONE_PAIR_SPREAD = 0.05
"""How much two processes that do the same may differ where one pair is all there is (standard deviation): that is seen
on machines with other work to do, and a single pair can't show it."""
_T_975 = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t at 97.5 %, by degrees of freedom from 1; for more the last one, which is greater than theirs."""


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

    The interval is the wider one of two: of the bootstrap, which knows how runs depend on one another and assumes how
    much processes differ, and of Student's t over the pairs, which assumes nothing and needs several. A machine with
    other work to do is louder than any assumption.

    None where no process has runs of both sides. `runs` is how many runs the times are of, where it is not one each.
    """
    pairs = [pair for pair in zip(a, b, strict=False) if len(pair[0]) and len(pair[1])]
    spread = PAIR_SPREAD if len(pairs) > 1 else LONE_PAIR_SPREAD
    change = change_of_pairs([pair[0] for pair in pairs], [pair[1] for pair in pairs], process_spread=spread)
    if change is None:
        return None
    low, high = _widened(change, pairs)
    return Saving(
        verdict=_verdict(low, high),
        a_ns=change.before_ns,
        b_ns=change.after_ns,
        saving_ns=-change.difference_ns,
        low_ns=(1 - high) * change.before_ns,
        high_ns=(1 - low) * change.before_ns,
        factor=change.factor,
        factor_low=low,
        factor_high=high,
        within=_within(low, high),
        pairs=len(pairs),
        runs=change.runs if runs is None else runs,
    )


def _widened(change: Change, pairs: Sequence[tuple[Int64s, Int64s]]) -> tuple[float, float]:
    """Least and greatest factor from A to B."""
    if len(pairs) == 1:
        return change.low, change.high
    steps = np.log([np.median(b) / np.median(a) for a, b in pairs])
    reach = _T_975[min(len(pairs) - 1, len(_T_975)) - 1] * steps.std(ddof=1) / np.sqrt(len(pairs))
    low, high = np.exp((steps.mean() - reach, steps.mean() + reach)).tolist()
    return min(low, change.low), max(high, change.high)


def times_of(times_ns: Sequence[int]) -> Int64s:
    """As a column."""
    return cast(Int64s, np.array(times_ns, np.int64))


def _verdict(low: float, high: float) -> Verdict:
    within, is_real = _within(low, high), not low <= 1 <= high
    if within <= NOTICEABLE or (not is_real and within <= CLOSE_ENOUGH):
        return Verdict.SAME
    if not is_real:
        return Verdict.UNCLEAR
    return Verdict.FASTER if high < 1 else Verdict.SLOWER


def _within(low: float, high: float) -> float:
    return max(abs(low - 1), abs(high - 1))
