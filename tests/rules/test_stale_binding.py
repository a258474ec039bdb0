from __future__ import annotations

from asking import ask, finding, named
from scene import Scene

from ortprobe.rules import NotApplicable, Passed, Severity
from ortprobe.timeline import Site


def replaced_session() -> Scene:
    scene = Scene().session(0, 0, 100).hook("io_binding", 200, 1, session=0, binding=0, site="app.py:3")
    scene.hook("run_with_iobinding", 300, 10, session=0, binding=0)
    return scene.session(1, 1000, 100, reason="set_providers", replaces=0)


def test_a_binding_made_before_set_providers(tmp_path):
    scene = replaced_session().hook(
        "run_with_iobinding", 2000, 1, session=1, binding=0, site="app.py:9", error="ValueError: IOBinding must be used"
    )
    found = finding("S2", scene, tmp_path)
    assert (found.count, found.severity) == (1, Severity.ERROR)
    assert found.where == (Site(file="app.py", line=9), Site(file="app.py", line=3))
    assert named(scene.load(tmp_path / "again"), found) == ["run_with_iobinding", "io_binding"]


def test_a_binding_made_again(tmp_path):
    scene = replaced_session().hook("io_binding", 1200, 1, session=1, binding=1)
    scene.hook("run_with_iobinding", 2000, 10, session=1, binding=1)
    assert ask("S2", scene.load(tmp_path)) == Passed()


def test_a_program_without_bindings(tmp_path):
    outcome = ask("S2", Scene().session(0, 0, 100).hook("run", 200, 10, session=0).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
