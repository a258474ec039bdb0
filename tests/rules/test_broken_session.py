from __future__ import annotations

from asking import ask, finding
from scene import Scene

from ortprobe.rules import NotApplicable, Passed, Severity
from ortprobe.timeline import Site


def test_set_providers_that_raised(tmp_path):
    scene = Scene().session(0, 0, 100)
    scene.session(1, 1000, 5, reason="set_providers", replaces=0, error="RuntimeError: Unknown Provider Type: C")
    scene.hook("set_providers", 1000, 10, site="app.py:5", error="RuntimeError: Unknown Provider Type: C")
    found = finding("S5", scene, tmp_path)
    assert (found.severity, found.where) == (Severity.ERROR, (Site(file="app.py", line=5),))
    assert "Unknown Provider Type" in found.detail


def test_set_providers_that_worked(tmp_path):
    scene = Scene().session(0, 0, 100).session(1, 1000, 5, reason="set_providers", replaces=0)
    assert ask("S5", scene.hook("set_providers", 1000, 10, session=1).load(tmp_path)) == Passed()


def test_a_constructor_that_raised_leaves_no_session_behind(tmp_path):
    outcome = ask("S5", Scene().session(0, 0, 100, error="NoSuchFile: m.onnx").load(tmp_path))
    assert isinstance(outcome, NotApplicable)
