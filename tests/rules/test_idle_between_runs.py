from __future__ import annotations

import captures
from asking import ask, finding
from cases.idle_between_runs import cant_tell, loop, near_miss
from scene import Scene

from ortprobe.rules import NotApplicable, Passed, Severity


def test_a_gpu_that_waits_for_the_host_in_each_round(tmp_path):
    found = finding("I1", loop(8, 60, 40), tmp_path)
    # Eight runs have seven gaps; the first run began 2 µs before the trace did.
    assert (found.severity, found.count) == (Severity.INFO, 6)
    assert found.cost_ns == 6 * 40_000
    assert "torch-op 38.0 µs" in found.detail


def test_the_lines_that_the_loop_was_at_between_runs(tmp_path):
    scene = loop(8, 60, 40)
    for number in range(8):
        scene.hook("copy_", number * 100 + 65, 30, site="loader.py:4")
    found = finding("I1", scene, tmp_path)
    assert [(site.file, site.line) for site in found.where] == [("loader.py", 4)]


def test_a_gpu_that_is_fed_in_time(tmp_path):
    assert ask("I1", loop(8, 95, 5).load(tmp_path)) == Passed()


def test_one_slow_round_is_no_loop(tmp_path):
    assert ask("I1", near_miss(tmp_path)) == Passed()


def test_too_few_rounds(tmp_path):
    outcome = ask("I1", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.why.startswith("too few runs")


def test_resnet_in_a_loop_with_its_copies_keeps_the_gpu_fed():
    assert ask("I1", captures.resnet()) == Passed()


def test_a_program_without_a_gpu_lacks_no_evidence(tmp_path):
    outcome = ask("I1", Scene().session(0, 0, 100).hook("run", 200, 10, session=0).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
