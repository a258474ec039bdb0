from __future__ import annotations

import captures
from asking import ask, named
from cases.shape_change_research import convolved

from ortprobe.rules import NotApplicable, Passed, Severity
from ortprobe.rules.finding import Confidence
from ortprobe.timeline.intervals import total_ns


def test_it_costs_what_changes_took_over_runs_without(tmp_path):
    times = (8, 90_000), (8, 50), (8, 50), (9, 30_000), (9, 50), (8, 20_000), (8, 50)
    timeline = convolved(*times).load(tmp_path)
    found = ask("F2", timeline)
    assert (found.severity, found.count, found.over_runs) == (Severity.WARNING, 2, 7)
    assert found.cost_ns == 30_000_000 + 20_000_000 - 2 * 50_000, "size 8 had been there before"
    assert total_ns(found.paid) == 50_000_000
    assert named(timeline, found)[0] == "Conv_0"
    assert [str(site) for site in found.where] == ["app.py:8"]


def test_the_first_run_is_not_counted(tmp_path):
    """It is F1's, however long it took."""
    assert ask("F2", convolved((8, 90_000), (8, 50), (8, 50), (8, 50)).load(tmp_path)) == Passed()


def test_many_times_of_little_and_a_little_more_of_much_pass(tmp_path):
    times = (8, 900), (8, 50), (8, 50), (9, 700), (9, 50)
    assert ask("F2", convolved(*times).load(tmp_path / "little")) == Passed()
    times = (8, 90_000), (8, 3000), (8, 3000), (9, 7000), (9, 3000)
    assert ask("F2", convolved(*times).load(tmp_path / "much")) == Passed()


def test_other_operators_search_for_nothing(tmp_path):
    outcome = ask("F2", convolved((8, 90_000), (8, 50), (8, 50), (9, 30_000), op="MatMul").load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_one_shape_passes():
    assert ask("F2", captures.resnet()) == Passed()


def test_shapes_in_turn_are_compared_with_other_operators():
    """In the recording the shape changes in every run, and each of its eight Relus takes 20 to 70 µs."""
    found = ask("F2", captures.node_program("convolutions_of_three_shapes"))
    assert (found.count, found.confidence) == (5, Confidence.LIKELY)
    assert 90e6 < found.cost_ns / found.count < 115e6
    assert "other operators" in found.detail
    assert "EXHAUSTIVE" in found.detail
