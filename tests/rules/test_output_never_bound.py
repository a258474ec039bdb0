from __future__ import annotations

from asking import ask, finding
from cases.output_never_bound import bound, fault, near_miss, run
from scene import Scene

from ortprobe.rules import Confidence, NotApplicable, Passed, Severity


def test_two_buffers_under_one_name(tmp_path):
    found = ask("B9", fault(tmp_path))
    assert (found.severity, found.confidence, found.count) == (Severity.ERROR, Confidence.CERTAIN, 1)
    assert "`boxes`" in found.title
    assert "`scores` was never bound" in found.title
    assert found.where[0].line == 4


def test_each_output_under_its_own_name(tmp_path):
    assert ask("B9", bound(("boxes", 4096), ("scores", 8192)).load(tmp_path)) == Passed()


def test_buffers_that_take_turns_between_runs(tmp_path):
    assert ask("B9", near_miss(tmp_path)) == Passed()


def test_the_same_buffer_bound_again(tmp_path):
    assert ask("B9", bound(("boxes", 4096), ("scores", 8192), ("boxes", 4096)).load(tmp_path)) == Passed()


def test_an_output_that_was_left_out_is_information(tmp_path):
    found = finding("B9", bound(("boxes", 4096)), tmp_path)
    assert (found.severity, found.confidence) == (Severity.INFO, Confidence.LIKELY)
    assert "`scores`" in found.title


def test_outputs_cleared_and_bound_anew(tmp_path):
    scene = Scene().session(0, 0, 100, outputs=("y",)).hook("io_binding", 200, 1, session=0, binding=0)
    scene.hook("bind_output", 300, 1, binding=0, buffer="y", write_address=4096)
    scene.hook("clear_binding_outputs", 400, 1, binding=0)
    scene.hook("bind_output", 500, 1, binding=0, buffer="y", write_address=8192)
    assert ask("B9", run(scene, 1000).load(tmp_path)) == Passed()


def test_a_run_that_raised_wrote_nothing_anyway(tmp_path):
    scene = Scene().session(0, 0, 100, outputs=("y",)).hook("io_binding", 200, 1, session=0, binding=0)
    assert ask("B9", run(scene, 1000, error="ValueError: no").load(tmp_path)) == Passed()


def test_no_binding_at_all(tmp_path):
    outcome = ask("B9", Scene().session(0, 0, 100).hook("run", 200, 10, session=0).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_a_bind_whose_name_nobody_saw_is_no_bind_of_another(tmp_path):
    assert ask("B9", bound(("", 4096), ("boxes", 1), ("", 8192), ("scores", 2)).load(tmp_path)) == Passed()
