from __future__ import annotations

import captures
from asking import ask
from cases.profiling_distorts import cant_tell, fault, near_miss, runs_with_nodes

from ortprobe.rules import Finding, NotApplicable, Passed, Severity


def test_traced_runs_that_take_four_times_as_long(tmp_path):
    found = ask("M1", fault(tmp_path))
    assert isinstance(found, Finding)
    assert (found.severity, found.cost_ns) == (Severity.INFO, None)
    assert found.title.startswith("Traced runs take 4.0 times as long as others")
    assert "800 µs traced and 200 µs without" in found.detail


def test_what_tracing_adds_everywhere_is_left_alone(tmp_path):
    assert ask("M1", near_miss(tmp_path)) == Passed()
    assert ask("M1", runs_with_nodes(500, 200).load(tmp_path)) == Passed()


def test_many_small_nodes_without_a_run_to_compare_with(tmp_path):
    found = ask("M1", runs_with_nodes(800, 200, untraced=0).load(tmp_path))
    assert isinstance(found, Finding)
    assert found.title.startswith("About 30.0 % of a run is the work of profiling")  # 20 nodes of 12 µs in 800 µs


def test_nothing_to_compare_with(tmp_path):
    outcome = ask("M1", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_a_service_of_four_threads_is_told_and_not_warned_about():
    found = ask("M1", captures.service())
    assert isinstance(found, Finding)
    assert found.severity is Severity.INFO
