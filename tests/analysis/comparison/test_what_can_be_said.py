"""What an interval allows to be said, and how often that is right for a program on a quiet machine."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ortprobe.analysis.comparison.bootstrap import Change, change_of
from ortprobe.analysis.comparison.verdict import ANY_CHANGE, Outcome, Reason, gate_of, verdict_of


def change(low: float, factor: float, high: float) -> Change:
    return Change(
        before_ns=1000, after_ns=1000 * factor, low=low, high=high, captures=(1, 1), runs=(100, 100),
        process_spread=0.01, spread_is_assumed=True, drift=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "smallest", "outcome"),
    [
        ((1.02, 1.05, 1.08), None, Outcome.SLOWER),
        ((0.92, 0.95, 0.98), None, Outcome.FASTER),
        ((0.97, 1.00, 1.03), None, Outcome.SAME),
        ((1.001, 1.004, 1.007), None, Outcome.SAME),
        ((0.80, 1.00, 1.20), None, Outcome.CANT_TELL),
        ((1.02, 1.03, 1.04), 0.05, Outcome.SAME),
        ((1.02, 1.05, 1.08), 0.05, Outcome.SLOWER),
        ((1.01, 1.04, 1.07), 0.05, Outcome.CANT_TELL),
        ((0.93, 0.96, 0.99), 0.05, Outcome.CANT_TELL),
    ],
)
def test_what_an_interval_allows_to_be_said(interval, smallest, outcome):
    low, factor, high = interval
    found = verdict_of(change(low, factor, high), ANY_CHANGE if smallest is None else gate_of(smallest))
    assert found.outcome is outcome
    assert (found.reasons == (Reason.TOO_WIDE,)) == (outcome is Outcome.CANT_TELL)
    if outcome is Outcome.SAME:
        assert found.within == pytest.approx(max(1 - low, high - 1))


def outcomes(factor: float, repeats: int) -> Counter[Outcome]:
    """Of ten comparisons. Runs vary by 1 % and a few are outliers; processes differ by 0.5 %."""
    found = Counter[Outcome]()
    for trial in range(10):
        random = np.random.default_rng(trial)

        def side(level: float, random: np.random.Generator = random) -> list[np.ndarray]:
            return [
                (level * np.exp(random.normal(0, 0.005) + random.normal(0, 0.01, 100) + (random.random(100) < 0.03)))
                .astype(np.int64)
                for _ in range(repeats)
            ]  # fmt: skip

        measured = change_of(side(1e6), side(factor * 1e6))
        assert measured is not None
        found[verdict_of(measured, ANY_CHANGE).outcome] += 1
    return found


@pytest.mark.parametrize("repeats", [1, 3])
def test_what_did_not_change_is_the_same(repeats):
    assert outcomes(1.0, repeats)[Outcome.SAME] >= 9


def test_five_per_cent_more_are_found_in_three_captures_each():
    assert outcomes(1.05, 3)[Outcome.SLOWER] >= 9


def test_what_processes_differ_by_without_a_change_is_not_found_in_one_capture_each():
    found = outcomes(1.05, 1)
    assert found[Outcome.SLOWER] + found[Outcome.CANT_TELL] >= 9
    assert outcomes(1.15, 1)[Outcome.SLOWER] >= 9


def test_what_is_found_is_never_the_other_way_round():
    assert outcomes(1.05, 1)[Outcome.FASTER] == 0
    assert outcomes(0.95, 1)[Outcome.SLOWER] == 0
