"""Runs that only one of hooks and profile saw."""

from __future__ import annotations

from pathlib import Path

from ortprobe.timeline import ProblemKind

from .planted import BOTH, TORCH, found, planted, program


def test_a_hooked_run_that_the_profile_lacks(tmp_path: Path) -> None:
    scene = program(4).hook("run", 2000, 100, session=0, attached=BOTH)
    timeline, problem = planted(scene, tmp_path, ProblemKind.RUNS_WITHOUT_PROFILE)
    assert problem.evidence == (int(timeline.runs.hook_span[4]),)


def test_runs_with_the_profile_off_or_that_raised_are_not_missed(tmp_path: Path) -> None:
    scene = program(4).hook("run", 2000, 100, session=0, attached=TORCH)
    scene.hook("run", 2200, 100, session=0, attached=BOTH, error="Fail: nope")
    assert found(scene.load(tmp_path), ProblemKind.RUNS_WITHOUT_PROFILE) is None


def test_a_profiled_run_that_no_hook_saw(tmp_path: Path) -> None:
    scene = program(4)
    scene.profiles[0].run(3000, 100)
    timeline, problem = planted(scene, tmp_path, ProblemKind.RUNS_WITHOUT_HOOK)
    assert problem.evidence == (int(timeline.runs.run_span[4]),)
