from __future__ import annotations

from asking import ask
from cases.broken_session import fault, near_miss
from scene import Scene

from ortprobe.rules import NotApplicable, Passed, Severity
from ortprobe.timeline import Site


def test_set_providers_that_raised(tmp_path):
    found = ask("S5", fault(tmp_path))
    assert (found.severity, found.where) == (Severity.ERROR, (Site(file="app.py", line=5),))
    assert "Unknown Provider Type" in found.detail


def test_set_providers_that_worked(tmp_path):
    assert ask("S5", near_miss(tmp_path)) == Passed()


def test_a_constructor_that_raised_leaves_no_session_behind(tmp_path):
    outcome = ask("S5", Scene().session(0, 0, 100, error="NoSuchFile: m.onnx").load(tmp_path))
    assert isinstance(outcome, NotApplicable)
