from __future__ import annotations

from asking import ask, named
from cases.stale_binding import fault, near_miss
from scene import Scene

from ortprobe.rules import NotApplicable, Passed, Severity
from ortprobe.timeline import Site


def test_a_binding_made_before_set_providers(tmp_path):
    timeline = fault(tmp_path)
    found = ask("S2", timeline)
    assert (found.count, found.severity) == (1, Severity.ERROR)
    assert found.where == (Site(file="app.py", line=9), Site(file="app.py", line=3))
    assert named(timeline, found) == ["run_with_iobinding", "io_binding"]


def test_a_binding_made_again(tmp_path):
    assert ask("S2", near_miss(tmp_path)) == Passed()


def test_a_program_without_bindings(tmp_path):
    outcome = ask("S2", Scene().session(0, 0, 100).hook("run", 200, 10, session=0).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
