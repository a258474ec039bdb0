"""What a change saves: found where it is planted, and never where nothing was changed."""

from __future__ import annotations

import numpy as np
import pytest

from ortprobe.analysis.trials.saving import Saving, Verdict, compute_saving
from ortprobe.timeline import Int64s

RUN_NS = 2_000_000
TRIALS = 30


def pair(
    random: np.random.Generator, factor: float, runs: int, noise: float, processes: float
) -> tuple[Int64s, Int64s]:
    level = RUN_NS * np.exp(random.normal(0, 0.05))  # both sides of a pair share it
    return tuple(  # type: ignore[return-value]
        (level * side * np.exp(random.normal(0, processes)) * np.exp(np.abs(random.normal(0, noise, runs)))).astype(
            np.int64
        )
        for side in (1.0, factor)
    )


def saving_of(
    seed: int, factor: float, *, pairs: int = 4, runs: int = 100, noise: float = 0.02, processes: float = 0.003
) -> Saving:
    random = np.random.default_rng(seed)
    made = [pair(random, factor, runs, noise, processes) for _ in range(pairs)]
    found = compute_saving([a for a, _ in made], [b for _, b in made])
    assert found is not None
    return found


@pytest.mark.parametrize(("factor", "verdict"), [(0.9, Verdict.FASTER), (1.1, Verdict.SLOWER), (3.95, Verdict.SLOWER)])
def test_planted_changes_are_found(factor: float, verdict: Verdict) -> None:
    for seed in range(5):
        found = saving_of(seed, factor)
        assert found.verdict is verdict
        assert found.factor_low <= found.factor <= found.factor_high
        assert found.low_ns <= found.saving_ns <= found.high_ns
        assert found.factor == pytest.approx(factor, rel=0.02)
        assert found.saving_ns == pytest.approx(found.a_ns - found.b_ns)


def test_no_change_is_the_same() -> None:
    assert {saving_of(seed, 1.0).verdict for seed in range(5)} == {Verdict.SAME}


def test_no_change_is_hardly_ever_a_saving_however_loud_the_machine() -> None:
    """In 1 of 40 comparisons an interval of 95 % lies on the side of a saving."""
    found = [
        saving_of(seed, 1.0, pairs=pairs, processes=processes, noise=0.1, runs=20)
        for pairs, processes in ((2, 0.01), (2, 0.3), (4, 0.0), (4, 0.05))
        for seed in range(TRIALS)
    ]
    assert sum(each.verdict is Verdict.FASTER for each in found) <= 0.04 * len(found)
    assert sum(each.factor_low <= 1 <= each.factor_high for each in found) >= 0.93 * len(found)


def test_one_pair_tells_large_changes_alone() -> None:
    assert saving_of(0, 0.25, pairs=1).verdict is Verdict.FASTER
    assert saving_of(0, 0.9, pairs=1).verdict is Verdict.UNCLEAR


def test_a_change_below_what_is_noticeable_is_none() -> None:
    assert saving_of(1, 0.999, pairs=12, runs=300, noise=0.001, processes=0.0001).verdict is Verdict.SAME


def test_more_processes_make_the_interval_narrower() -> None:
    few, many = (saving_of(3, 0.9, pairs=pairs, processes=0.02) for pairs in (3, 12))
    assert many.high_ns - many.low_ns < few.high_ns - few.low_ns


def test_processes_without_runs_are_left_out() -> None:
    a, b = pair(np.random.default_rng(0), 0.5, 50, 0.01, 0.0)
    nothing = np.empty(0, np.int64)
    found = compute_saving([a, nothing], [b, b])
    assert found is not None
    assert (found.pairs, found.runs) == (1, (50, 50))
    assert compute_saving([nothing], [b]) is None
    assert compute_saving([], []) is None
