from __future__ import annotations

import captures
import pytest
from asking import ask
from cases.optimisation_off import OFF, made_with
from scene import Scene

from ortprobe.rules import NotApplicable, Passed, Severity
from ortprobe.rules.finding import Confidence


def test_all_optimisations_off_is_a_warning_at_the_sessions_line(tmp_path):
    found = ask("N7", made_with(OFF, "MatMul", "Add").load(tmp_path))
    assert (found.severity, found.confidence, found.cost_ns) == (Severity.WARNING, Confidence.CERTAIN, None)
    assert [str(site) for site in found.where] == ["app.py:4"]
    assert "2 nodes" in found.detail


def test_basic_ones_are_information(tmp_path):
    found = ask("N7", made_with("GraphOptimizationLevel.ORT_ENABLE_BASIC", "MatMul").load(tmp_path))
    assert found.severity is Severity.INFO


@pytest.mark.parametrize("level", ["ORT_ENABLE_ALL", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_LAYOUT"])
def test_the_default_and_its_like_pass(tmp_path, level):
    assert ask("N7", made_with(f"GraphOptimizationLevel.{level}", "MatMul").load(tmp_path)) == Passed()


def test_without_a_profile_the_model_may_have_been_optimised_before(tmp_path):
    scene = Scene().session(0, 0, 100, session_options={"graph_optimization_level": OFF})
    found = ask("N7", scene.load(tmp_path))
    assert (found.severity, found.confidence) == (Severity.INFO, Confidence.LIKELY)


def test_recorded_programs_pass():
    assert ask("N7", captures.recorded("graph")) == Passed()


def test_a_program_without_a_session_has_nothing_of_the_kind(tmp_path):
    outcome = ask("N7", Scene().hook("copy_", 0, 5).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
