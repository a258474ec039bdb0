from __future__ import annotations

import captures
import pytest
from asking import ask, finding
from cases.cold_first_run import cant_tell, first_run_of

from ortprobe.rules import NotApplicable, Passed, Severity


def test_a_first_run_of_many_times_the_steady_one_is_information(tmp_path):
    found = finding("F1", first_run_of(400_000, 2000, 3), tmp_path)
    assert (found.severity, found.cost_ns) == (Severity.INFO, 398_000_000)
    assert found.where[0].line == 8


@pytest.mark.parametrize("first_us", [8_000, 6_900])
def test_neither_a_small_ratio_nor_a_small_excess_counts(tmp_path, first_us):
    """4 times the steady run; then 3.45 times. And below, 60 times with an excess of 1.2 ms."""
    assert ask("F1", first_run_of(first_us, 2000, 2).load(tmp_path)) == Passed()
    assert ask("F1", first_run_of(1200, 20, 2).load(tmp_path / "quick")) == Passed()


def test_the_first_run_after_a_re_initialisation_is_not_counted_twice():
    found = ask("F1", captures.resnet())
    assert found.count == 1
    assert found.cost_ns == pytest.approx(441e6, rel=0.01)


def test_it_says_that_the_gpu_was_not_the_reason():
    detail = ask("F1", captures.resnet()).detail
    assert "device busy 1.79 ms" in detail
    assert "Over a steady one: Conv nodes on the host 270 ms, loading GPU code 65.4 ms" in detail


def test_two_runs_are_too_few_to_compare(tmp_path):
    outcome = ask("F1", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.why == "no session ran at least three times under the same tracing"
