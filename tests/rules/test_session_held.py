"""S6: sessions that are kept and not used, sessions that are used again, and bindings of which nothing is known."""

from __future__ import annotations

from asking import ask, finding
from cases.session_held import CUDA, cant_tell, near_miss, sessions
from scene import Scene

from ortprobe.rules import Confidence, Finding, NotApplicable, Passed, Severity


def test_a_session_that_another_of_its_model_took_over_from(tmp_path):
    found = finding("S6", sessions(), tmp_path)
    # One spare session can be meant, and the capture does not see what comes later.
    assert (found.severity, found.confidence, found.count) == (Severity.INFO, Confidence.LIKELY, 1)
    assert [site.line for site in found.where] == [3]


def test_sessions_that_pile_up(tmp_path):
    scene = sessions().session(2, 3000, 100, model_path="m.onnx", owner=2, providers=CUDA)
    scene.hook("run", 3200, 50, session=2)
    found = finding("S6", scene, tmp_path)
    assert (found.severity, found.count) == (Severity.WARNING, 2)


def test_a_session_that_is_used_again(tmp_path):
    assert ask("S6", near_miss(tmp_path)) == Passed()


def test_two_models_are_not_each_others_successors(tmp_path):
    assert ask("S6", sessions(models=("encoder.onnx", "decoder.onnx")).load(tmp_path)) == Passed()


def test_a_session_that_the_program_let_go_of(tmp_path):
    assert ask("S6", sessions().release(0, 900).load(tmp_path)) == Passed()


def test_a_pool_of_which_some_were_only_warmed_up(tmp_path):
    """Three of a model; two of them go on running."""
    scene = sessions().session(2, 3000, 100, model_path="m.onnx", owner=2, providers=CUDA)
    scene.hook("run", 3200, 50, session=2).hook("run", 3300, 50, session=1)
    assert ask("S6", scene.load(tmp_path)) == Passed()


def test_a_binding_that_is_used_after_its_session_was_replaced(tmp_path):
    scene = Scene().session(0, 0, 100, model_path="m.onnx").hook("io_binding", 200, 1, session=0, binding=0)
    scene.session(1, 500, 100, model_path="m.onnx", reason="set_providers", replaces=0)
    scene.hook("get_outputs", 700, 10, binding=0)
    found = finding("S6", scene, tmp_path)
    assert (found.severity, found.confidence) == (Severity.WARNING, Confidence.CERTAIN)
    assert "IOBinding" in found.title


def test_a_binding_that_another_session_is_run_with_is_told_of_already(tmp_path):
    scene = Scene().session(0, 0, 100, model_path="m.onnx").hook("io_binding", 200, 1, session=0, binding=0)
    scene.session(1, 500, 100, model_path="m.onnx", reason="set_providers", replaces=0)
    scene.hook("run_with_iobinding", 700, 10, session=1, binding=0, error="ValueError: of another session")
    assert ask("S6", scene.load(tmp_path)) == Passed()
    assert isinstance(ask("S2", scene.load(tmp_path / "again")), Finding)


def test_a_binding_that_nobody_saw_go(tmp_path):
    outcome = ask("S6", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert "session 0" in outcome.why


def test_one_session(tmp_path):
    outcome = ask("S6", Scene().session(0, 0, 100).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
