from __future__ import annotations

from dataclasses import replace

import captures
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.timeline import Problem, ProblemKind, Timeline


def with_problem(timeline: Timeline, kind: ProblemKind, count: int = 1) -> Analyses:
    return Analyses(replace(timeline, problems=(Problem(kind=kind, detail="said so", count=count),)))


def test_a_sound_capture_with_unresolved_waits_allows_a_verdict():
    integrity = Analyses(captures.resnet()).integrity
    assert integrity.ok
    assert (integrity.sync_calls, integrity.sync_resolved) == (110, 100)


@pytest.mark.parametrize("kind", [ProblemKind.CUT_OFF, ProblemKind.PROFILE_TRUNCATED, ProblemKind.CLOCK_STEPPED])
def test_missing_events_and_wrong_clocks_forbid_one(kind):
    integrity = with_problem(captures.healthy(), kind).integrity
    assert not integrity.ok
    assert [problem.kind for problem in integrity.undermining] == [kind]


@pytest.mark.parametrize(("lost", "ok"), [(2, True), (200, False)])
def test_a_few_lost_kernels_are_no_reason_to_say_nothing(lost, ok):
    assert with_problem(captures.healthy(), ProblemKind.LAUNCHES_WITHOUT_WORK, lost).integrity.ok is ok


def test_without_a_single_run_there_is_nothing_to_judge(tmp_path):
    integrity = Analyses(Scene().torch_op("aten::add", 0, 5).load(tmp_path)).integrity
    assert not integrity.ok
    assert "no inference" in integrity.undermining[0].detail
