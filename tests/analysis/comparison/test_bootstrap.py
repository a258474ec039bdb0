"""Intervals hold the truth as often as they say, for runs that depend on one another and processes that differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ortprobe.analysis.comparison.bootstrap import (
    RESAMPLES,
    Change,
    block_length,
    change_of,
    change_of_pairs,
    log_quantiles,
)
from ortprobe.timeline import Int64s

TRIALS = 40
Noise = Callable[[np.random.Generator, int], np.ndarray]


def independent(random: np.random.Generator, count: int) -> np.ndarray:
    return random.normal(0, 0.03, count)


def dependent(random: np.random.Generator, count: int) -> np.ndarray:
    """Each run keeps 0.9 of what the one before it had."""
    noise = random.normal(0, 0.03, count)
    for row in range(1, count):
        noise[row] = 0.9 * noise[row - 1] + noise[row] * np.sqrt(1 - 0.81)
    return noise


def drifting(random: np.random.Generator, count: int) -> np.ndarray:
    return random.normal(0, 0.02, count) + 0.02 * np.cumsum(random.normal(0, 1, count)) / np.sqrt(count)


def skewed(random: np.random.Generator, count: int) -> np.ndarray:
    """A floor, and 1 run in 20 that takes twice as long."""
    return np.abs(random.normal(0, 0.05, count)) + (random.random(count) < 0.05) * random.exponential(1, count)


def capture(random: np.random.Generator, noise: Noise, count: int, processes: float, factor: float = 1.0) -> Int64s:
    level = np.exp(random.normal(0, processes))
    return (factor * level * 1e6 * np.exp(noise(random, count))).astype(np.int64)


def changes(noise: Noise, count: int, *, factor: float, repeats: int = 1, processes: float = 0.005) -> list[Change]:
    found = []
    for trial in range(TRIALS):
        random = np.random.default_rng(trial)
        before = [capture(random, noise, count, processes) for _ in range(repeats)]
        after = [capture(random, noise, count, processes, factor) for _ in range(repeats)]
        change = change_of(before, after)
        assert change is not None
        found.append(change)
    return found


@pytest.mark.parametrize("noise", [independent, dependent, drifting, skewed])
@pytest.mark.parametrize("factor", [1.0, 1.05])
def test_the_truth_lies_in_nine_of_ten_intervals(noise, factor):
    found = changes(noise, 60, factor=factor)
    assert sum(each.low <= factor <= each.high for each in found) >= 0.9 * TRIALS


@pytest.mark.parametrize("processes", [0.0, 0.005, 0.03])
def test_with_repeats_the_interval_is_as_wide_as_processes_differ(processes):
    found = changes(independent, 60, factor=1.0, repeats=4, processes=processes)
    assert sum(not each.is_real for each in found) >= 0.9 * TRIALS
    width = np.median([each.high - each.low for each in found])
    assert width < 0.045 if processes < 0.01 else width > 0.05


def test_five_per_cent_more_are_found_with_repeats():
    found = changes(independent, 60, factor=1.05, repeats=3)
    assert all(each.is_real and each.low > 1 for each in found)
    assert np.median([each.factor for each in found]) == pytest.approx(1.05, abs=0.005)


def test_one_capture_of_each_leaves_room_for_processes_to_differ():
    random = np.random.default_rng(0)
    first = change_of(*([capture(random, independent, 2000, 0)] for _ in range(2)))
    assert first is not None
    assert first.spread_is_assumed
    assert first.low < 0.98
    assert first.high > 1.02


def test_a_machine_that_warms_up_is_in_both_of_a_pair():
    random = np.random.default_rng(1)
    warm = [1.0, 1.04, 1.08, 1.12]
    before = [capture(random, independent, 60, 0, each) for each in warm]
    after = [capture(random, independent, 60, 0, 1.05 * each) for each in warm]
    alone, paired = change_of(before, after), change_of_pairs(before, after)
    assert alone is not None
    assert paired is not None
    assert not alone.is_real
    assert paired.low > 1.02
    assert paired.high < 1.08


def test_pairs_need_as_many_of_each():
    times = np.full(10, 100)
    with pytest.raises(ValueError, match="shorter"):
        change_of_pairs([times, times], [times])


@pytest.mark.parametrize("of", [change_of, change_of_pairs])
def test_nothing_is_compared_with_nothing(of):
    some, none = np.full(10, 100), np.zeros(0, np.int64)
    assert of([], []) is None
    assert of([some], [none]) is None
    assert of([some], [np.zeros(10, np.int64)]) is None


@pytest.mark.parametrize("of", [change_of, change_of_pairs])
def test_the_same_captures_give_the_same_interval(of):
    random = np.random.default_rng(3)
    times = [capture(random, skewed, 50, 0.01) for _ in range(4)]
    assert of(times[:2], times[2:]) == of(times[:2], times[2:])


def test_a_capture_against_itself_did_not_change():
    times = capture(np.random.default_rng(4), skewed, 50, 0)
    change = change_of([times], [times])
    assert change is not None
    assert change.factor == 1
    assert not change.is_real


def test_a_long_capture_is_as_sure_as_it_is_long():
    random = np.random.default_rng(5)
    long = capture(random, independent, 20_000, 0)
    of_long, of_short = (np.std(log_quantiles(times, 0.5, random)) for times in (long, long[:5_000]))
    assert of_long == pytest.approx(of_short / 2, rel=0.15)


def test_blocks_are_longer_where_runs_depend_on_one_another():
    lengths = {
        noise: np.median([block_length(noise(np.random.default_rng(n), 400) > 0) for n in range(20)])
        for noise in (independent, dependent)
    }
    assert lengths[independent] <= 4
    assert lengths[dependent] >= 10


_TIMES = hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(1, 10**10))


@settings(max_examples=50, deadline=None)
@given(times=_TIMES, quantile=st.sampled_from([0.5, 0.9, 0.99]))
def test_what_is_drawn_lies_among_the_times(times, quantile):
    drawn = np.exp(log_quantiles(times, quantile, np.random.default_rng(0)))
    assert drawn.shape == (RESAMPLES,)
    assert (drawn >= times.min() * (1 - 1e-9)).all()
    assert (drawn <= times.max() * (1 + 1e-9)).all()


@settings(max_examples=30, deadline=None)
@given(before=_TIMES, after=_TIMES, scale=st.integers(2, 1000))
def test_the_interval_does_not_depend_on_the_unit_and_holds_what_was_measured(before, after, scale):
    change, scaled = change_of([before], [after]), change_of([before * scale], [after * scale])
    assert change is not None
    assert scaled is not None
    assert 0 < change.low <= change.high
    assert change.difference_low_ns <= change.difference_high_ns
    assert scaled.factor == pytest.approx(change.factor)


@settings(max_examples=200)
@given(above=hnp.arrays(np.bool_, st.integers(1, 300)))
def test_a_capture_has_several_blocks(above):
    assert 1 <= block_length(above) <= max(len(above) // 4, 1)
