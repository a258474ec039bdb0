from __future__ import annotations

from asking import ask, finding, runs
from scene import Scene

from ortprobe.rules import Passed, Severity


def test_ort_went_back_to_the_cpu_inside_a_run(tmp_path):
    scene = runs(Scene().session(0, 0, 100), 0, 1000, 10, 10, 10)
    scene.session(1, 5000, 700, reason="fallback", replaces=0, providers=("CPUExecutionProvider",))
    timeline = scene.load(tmp_path)
    found = finding("S4", scene, tmp_path / "again")
    assert (found.count, found.cost_ns, found.severity) == (1, 700_000, Severity.WARNING)
    assert "CPUExecutionProvider" in found.title
    assert ask("S1", timeline) == Passed()


def test_a_session_that_the_program_made(tmp_path):
    assert ask("S4", Scene().session(0, 0, 100).load(tmp_path)) == Passed()
