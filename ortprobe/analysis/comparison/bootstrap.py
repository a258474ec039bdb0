"""How much a quantile of run times changed from some captures to others, with an interval that knows three things.

* Runs of one process depend on one another: clocks drift, queues fill. So runs are drawn in blocks, as long as their
  dependence lasts (Politis and White 2004, for the circular block bootstrap, with the correction of 2009).
* Processes differ from one another even where nothing was changed: memory lies elsewhere, clocks and neighbours do
  something else. With repeats that is measured from the quantiles of the captures. One capture on each side can't show
  it, so it is assumed, and what is assumed weighs less the more repeats there are. Where runs of one process vary, or
  the process drifts, what makes them do so is there between processes too, and more is assumed.
* Times are skewed, and changes are factors. So quantiles are compared, on the scale of logarithms.

All randomness has a fixed seed: the same captures give the same interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ortprobe.timeline import Bools, Int64s

Floats = NDArray[np.float64]

MEDIAN = 0.5
CONFIDENCE = 0.95
RESAMPLES = 2000
FEWEST_BLOCKS = 4
"""Blocks are at most so long that a capture has this many: fewer tell nothing about how they differ."""
PROCESS_SPREAD = 0.02
"""How much the logarithms of the medians of two processes that do the same differ (standard deviation), as assumed.
Measured on an H200, 20 processes of one program: 0.018 of latencies, 0.025 of paces. With 0.01, two of ten pairs of
them would have been called slower or faster than one another."""
_ASSUMED_WEIGHT = 4
"""The assumption counts as much as so many repeats beyond the first of each side."""
_OF_RUNS = 0.5
"""Processes are assumed to differ by at least this share of what runs of one process differ by. On a machine that
others kept busy, runs differed by 26 to 56 % and the medians of processes by 59 % (20 captures of one program)."""
_CONTRADICTS = 2
"""Repeats that scatter with so many times the variance that is assumed stand alone: they know better."""
_FOUR_FIFTHS = 2.563
"""Standard deviations that the middle four fifths of a normal distribution are wide."""
_PARTS = 4
"""A capture drifts if so many parts of it differ more than their runs account for."""
_DRIFTS = 2.6
"""How much more: chance alone does that to 1 in 20 captures (chi-square of 3 degrees of freedom, over 3)."""
_SEED = 20_090_301
_MOST_DRAWN = 5_000
"""Of a longer capture so many runs are drawn each time. Their quantile varies more than that of all by the root of the
ratio, which is taken out again (bootstrap of m out of n, Bickel, Götze and van Zwet 1997)."""
_AT_ONCE = 4_000_000
"""Values that are drawn in one go, which bounds the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A quantile on both sides, and what lies between them."""

    before_ns: float
    """Geometric mean of the quantiles of the captures."""
    after_ns: float
    low: float
    """Least and greatest factor from before to after; the true one lies in between in 95 of 100 comparisons."""
    high: float
    captures: tuple[int, int]
    """How many there are before and after."""
    runs: tuple[int, int]
    """Of all captures together, before and after."""
    process_spread: float
    """How much processes that do the same differ, as it went into the interval (standard deviation, a factor less
    one)."""
    spread_is_assumed: bool
    """Whether that is an assumption alone, because neither side has several captures."""
    drift: float
    """How much the quarters of the capture that drifts most differ, beyond what chance does (standard deviation, a
    factor less one); 0 where none drifts."""

    @property
    def factor(self) -> float:
        """1.05 for 5 % more."""
        return self.after_ns / self.before_ns

    @property
    def difference_ns(self) -> float:
        return self.after_ns - self.before_ns

    @property
    def difference_low_ns(self) -> float:
        """Of the difference at the level of before."""
        return (self.low - 1) * self.before_ns

    @property
    def difference_high_ns(self) -> float:
        return (self.high - 1) * self.before_ns

    @property
    def is_real(self) -> bool:
        """Whether no change at all lies outside of the interval."""
        return not self.low <= 1 <= self.high


def change_of(
    before: Sequence[Int64s], after: Sequence[Int64s], quantile: float = MEDIAN, process_spread: float = PROCESS_SPREAD
) -> Change | None:
    """From the captures of one side to those of the other; each capture's run times are in the order of the runs.

    None where either side has no run, or a quantile of 0, which has no logarithm. `process_spread` is what is assumed
    of processes as long as repeats don't show it.
    """
    sides = [[np.asarray(times) for times in side if len(times)] for side in (before, after)]
    points = [np.array([np.quantile(times, quantile) for times in side]) for side in sides]
    if not all(len(side) and (side > 0).all() for side in points):
        return None
    draws = [[log_quantiles(times, quantile, _generator(times)) for times in side] for side in sides]
    logs = [np.log(side) for side in points]
    guess, drift = _guess([times for side in sides for times in side], quantile, repeats=sum(map(len, sides)) - 2)
    spread, freedom = _spread_of_processes(logs, draws, max(process_spread, guess))
    middle = [float(side.mean()) for side in logs]
    moved = [
        np.mean([each - own for each, own in zip(*pair, strict=True)], axis=0) for pair in zip(draws, logs, strict=True)
    ]
    share = sum(1 / len(side) for side in logs)
    between = np.random.default_rng(_SEED).standard_t(freedom, RESAMPLES) * spread * np.sqrt(share)
    low, high = _middle_of(middle[1] - middle[0] + moved[1] - moved[0] + between)
    return Change(
        before_ns=float(np.exp(middle[0])),
        after_ns=float(np.exp(middle[1])),
        low=low,
        high=high,
        captures=(len(sides[0]), len(sides[1])),
        runs=(sum(map(len, sides[0])), sum(map(len, sides[1]))),
        process_spread=float(np.expm1(spread)),
        spread_is_assumed=max(map(len, logs)) == 1,
        drift=float(np.expm1(drift)),
    )


def change_of_pairs(
    before: Sequence[Int64s], after: Sequence[Int64s], quantile: float = MEDIAN, process_spread: float = PROCESS_SPREAD
) -> Change | None:
    """As `change_of`, of captures that were made in turn: the n-th of each side right after one another.

    What changes slowly, such as a machine that warms up, is then in both of a pair and leaves their difference alone.

    Raises:
        ValueError: the sides have different numbers of captures.
    """
    pairs = [
        (np.asarray(first), np.asarray(second))
        for first, second in zip(before, after, strict=True)
        if len(first) and len(second)
    ]
    points = np.array([[np.quantile(times, quantile) for times in pair] for pair in pairs])
    if not pairs or not (points > 0).all():
        return None
    logs = np.log(points)
    draws = [[log_quantiles(times, quantile, _generator(times)) for times in pair] for pair in pairs]
    steps = logs[:, 1] - logs[:, 0]
    moved = np.array([second - first for first, second in draws]) - steps[:, None]
    # A pair differs by what two processes differ, which is √2 of what one does.
    guess, drift = _guess([times for pair in pairs for times in pair], quantile, repeats=len(pairs) - 1)
    spread, freedom = _spread_of_processes([steps], [list(moved)], max(process_spread, guess) * np.sqrt(2))
    between = np.random.default_rng(_SEED).standard_t(freedom, RESAMPLES) * spread / np.sqrt(len(pairs))
    low, high = _middle_of(steps.mean() + moved.mean(axis=0) + between)
    return Change(
        before_ns=float(np.exp(logs[:, 0].mean())),
        after_ns=float(np.exp(logs[:, 1].mean())),
        low=low,
        high=high,
        captures=(len(pairs), len(pairs)),
        runs=(sum(len(first) for first, _ in pairs), sum(len(second) for _, second in pairs)),
        process_spread=float(np.expm1(spread / np.sqrt(2))),
        spread_is_assumed=len(pairs) == 1,
        drift=float(np.expm1(drift)),
    )


def log_quantiles(times: Int64s, quantile: float, random: np.random.Generator) -> Floats:
    """Shape (RESAMPLES,): logarithms of the quantile of as many series drawn from this one in blocks.

    Blocks begin anywhere and go on from the end to the start, so that each run is drawn as often as any other.
    """
    middle = np.quantile(times, quantile)
    length = block_length(times > middle)
    drawn_count = min(len(times), _MOST_DRAWN)
    blocks = -(-drawn_count // length)
    found = np.empty(RESAMPLES)
    for rows in _portions(drawn_count):
        starts = random.integers(0, len(times), (len(rows), blocks, 1))
        drawn = (starts + np.arange(length)).reshape(len(rows), -1)[:, :drawn_count] % len(times)
        found[rows.start : rows.stop] = np.quantile(times[drawn], quantile, axis=1)
    logs = np.log(np.maximum(found, np.finfo(np.float64).tiny))
    if drawn_count == len(times):
        return logs
    return np.asarray(np.log(middle) + (logs - np.log(middle)) * np.sqrt(drawn_count / len(times)))


def block_length(above: Bools) -> int:
    """How long blocks must be to keep the dependence between runs, of whether each lies above the quantile.

    That is what the quantile depends on, and outliers don't disturb it.
    """
    count = len(above)
    longest = max(count // FEWEST_BLOCKS, 1)
    values = above - above.mean()
    if count < 2 * FEWEST_BLOCKS or not values.any():
        return 1
    correlation = _autocovariance(values)
    correlation /= correlation[0]
    quiet = 2 * np.sqrt(np.log10(count) / count)
    in_a_row = max(5, int(np.ceil(np.sqrt(np.log10(count)))))
    lags = min(int(np.ceil(np.sqrt(count))) + in_a_row, count - 1)
    loud = np.flatnonzero(np.abs(correlation[1 : lags + 1]) > quiet) + 1
    # The first lag that many quiet ones follow; without such a lag the last loud one.
    ends = [lag for lag in (0, *loud.tolist()) if not np.isin(np.arange(lag + 1, lag + 1 + in_a_row), loud).any()]
    reach = min(2 * max(ends[0] if ends else lags, 1), count - 1)
    lag = np.arange(1, reach + 1)
    weight = np.clip(2 * (1 - lag / reach), 0, 1) if reach > 1 else np.ones(1)
    weighted = weight * correlation[1 : reach + 1]
    spectrum = 1 + 2 * weighted.sum()
    slope = 2 * (lag * weighted).sum()
    if spectrum <= 0:
        return longest
    best = (2 * slope**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * count ** (1 / 3)
    return int(np.clip(np.ceil(best), 1, longest))


def _autocovariance(values: Floats) -> Floats:
    """By lag, over the count, through a Fourier transform: captures can have 100,000 runs."""
    count = len(values)
    spectrum = np.fft.rfft(values, 2 * count)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, 2 * count)[:count] / count)


def _spread_of_processes(
    logs: Sequence[Floats], draws: Sequence[Sequence[Floats]], assumed: float
) -> tuple[float, int]:
    """(standard deviation between processes beyond what their runs vary by, degrees of freedom).

    The assumption is blended with what repeats measure, as so many repeats more, unless they contradict it.
    """
    repeats = sum(len(side) - 1 for side in logs)
    scatter = sum(float(((side - side.mean()) ** 2).sum()) for side in logs)
    of_runs = sum(
        float(np.var(each)) * (len(side) - 1) / len(side)
        for side, drawn in zip(logs, draws, strict=True)
        for each in drawn
    )
    beyond = max(scatter - of_runs, 0.0)
    if repeats and beyond / repeats > _CONTRADICTS * assumed**2:
        return float(np.sqrt(beyond / repeats)), repeats
    freedom = _ASSUMED_WEIGHT + repeats
    return float(np.sqrt((_ASSUMED_WEIGHT * assumed**2 + beyond) / freedom)), freedom


def _guess(captures: Sequence[Int64s], quantile: float, repeats: int) -> tuple[float, float]:
    """(how much processes differ, by what runs do in each of them; how much the one drifts that drifts most).

    Both are standard deviations of logarithms. Repeats show it better, so the guess counts less the more there are.
    """
    drift = max(_drift_of(times, quantile) for times in captures)
    scatter = max(_scatter_of(times) for times in captures)
    return max(drift, _OF_RUNS * scatter) / (1 + repeats), drift


def _scatter_of(times: Int64s) -> float:
    """Standard deviation of the logarithms of runs, by their middle four fifths: outliers don't count."""
    low, high = np.quantile(times, (0.1, 0.9))
    return float(np.log(high / low) / _FOUR_FIFTHS) if low > 0 else 0.0


def _drift_of(times: Int64s, quantile: float) -> float:
    """How much the parts of a capture differ beyond what as many independent runs would (standard deviation of the
    logarithms); 0 where that can be chance."""
    count = len(times)
    if count < 4 * _PARTS:
        return 0.0
    parts = np.array([np.quantile(part, quantile) for part in np.array_split(times, _PARTS)])
    # The ranks between which the quantile of independent runs lies in two of three captures (Woodruff 1952).
    reach = np.sqrt(quantile * (1 - quantile) / count)
    low, high = np.quantile(times, np.clip((quantile - reach, quantile + reach), 0, 1))
    if parts.min() <= 0 or low <= 0:
        return 0.0
    scatter, by_chance = float(np.var(np.log(parts), ddof=1)), _PARTS * float(np.log(high / low) / 2) ** 2
    return float(np.sqrt(scatter - by_chance)) if scatter > _DRIFTS * by_chance else 0.0


def _middle_of(logs: Floats) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.exp(np.quantile(logs, (tail, 1 - tail))).tolist()
    return low, high


def _generator(times: Int64s) -> np.random.Generator:
    """Two captures must not be drawn with the same numbers: their noise would cancel out."""
    return np.random.default_rng((_SEED, len(times), int(times.sum())))


def _portions(count: int) -> Iterator[range]:
    rows = max(1, min(RESAMPLES, _AT_ONCE // count))
    return (range(start, min(start + rows, RESAMPLES)) for start in range(0, RESAMPLES, rows))
