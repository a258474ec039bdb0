"""Launches without kernels by where they are, kernels without launches, ORT's cap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import captures
import pytest
from scene import Scene, at_ns

from ortprobe.ingest.integrity import find_problems
from ortprobe.ingest.integrity.losses import ORT_CAP
from ortprobe.timeline import MOST_EVIDENCE, ProblemKind

from .planted import correlations, found, launches, planted, program

LOSSES = (
    ProblemKind.LOST_HEAD, ProblemKind.LOST_TAIL, ProblemKind.LAUNCHES_WITHOUT_WORK, ProblemKind.WORK_WITHOUT_LAUNCH,
)  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "kind", "cited"),
    [
        (range(3), ProblemKind.LOST_HEAD, [1, 2, 3]),
        (range(30, 60), ProblemKind.LOST_TAIL, list(range(31, 51))),
        ((5, 20, 41), ProblemKind.LAUNCHES_WITHOUT_WORK, [6, 21, 42]),
        ((59,), ProblemKind.LAUNCHES_WITHOUT_WORK, [60]),
        (range(60), ProblemKind.LAUNCHES_WITHOUT_WORK, None),
    ],
)
def test_where_launches_lack_their_work_tells_what_lost_it(tmp_path: Path, lost, kind, cited) -> None:
    scene = launches(60, lost)
    if len(lost) == 60:  # Work of another program's making, so that there is a GPU timeline at all.
        scene.kernel("stray", 700, 5, 999)
    timeline, problem = planted(scene, tmp_path, kind)
    assert problem.count == len(lost)
    assert [each for each in LOSSES[:3] if found(timeline, each)] == [kind]
    assert problem.source == 0
    assert len(problem.evidence) == min(len(lost), MOST_EVIDENCE)
    if cited is not None:
        assert correlations(timeline, problem) == cited


def test_head_tail_and_scattered_losses_are_told_apart_in_one_trace(tmp_path: Path) -> None:
    timeline = launches(80, {0, 1, 30, *range(60, 80)}).load(tmp_path)
    counts = {kind: problem.count for kind in LOSSES if (problem := found(timeline, kind))}
    assert counts == {ProblemKind.LOST_HEAD: 2, ProblemKind.LAUNCHES_WITHOUT_WORK: 1, ProblemKind.LOST_TAIL: 20}


def test_a_lost_tail_concerns_the_time_from_the_last_work_on(tmp_path: Path) -> None:
    _, problem = planted(launches(60, range(30, 60)), tmp_path, ProblemKind.LOST_TAIL)
    assert (problem.start_ns, problem.end_ns) == (at_ns(297), at_ns(592))
    assert not problem.concerns(at_ns(0), at_ns(200))
    assert problem.concerns(at_ns(200), at_ns(300))


def test_work_without_its_launch_is_cited_and_what_came_before_the_trace_is_counted(tmp_path: Path) -> None:
    scene = launches(20).kernel("before", -20, 5, 900).kernel("amid", 57, 2, 901)
    timeline, problem = planted(scene, tmp_path, ProblemKind.WORK_WITHOUT_LAUNCH)
    assert correlations(timeline, problem) == [900, 901]
    assert "1 of them began before the first call" in problem.detail


def test_a_sound_program_lost_nothing(tmp_path: Path) -> None:
    assert program(6).load(tmp_path).problems == ()


@pytest.mark.parametrize("name", ["missing-wait", "set-providers", "healthy"])
def test_real_captures_have_no_problems(name: str) -> None:
    assert captures.example(name).timeline.problems == ()


def test_the_other_real_captures_have_those_that_are_known() -> None:
    assert captures.racy().problems == captures.healthy().problems == ()
    assert [problem.kind for problem in captures.resnet().problems] == [ProblemKind.WAITS_UNRESOLVED]
    assert [problem.kind for problem in captures.service().problems] == [ProblemKind.NOT_CAPTURED]


def test_a_profile_that_says_it_was_truncated_lacks_what_comes_after_its_last_event(tmp_path: Path) -> None:
    scene = program(3)
    dropped = {"cat": "Session", "pid": 1, "tid": 1, "dur": 0, "ts": 700, "ph": "X", "name": "profile_truncated"}
    scene.profiles[0].events.append(dropped | {"args": {"dropped_event_count": "41"}})
    scene.hook("run", 900, 50, session=0, attached=1)
    timeline, problem = planted(scene, tmp_path, ProblemKind.PROFILE_TRUNCATED)
    assert (problem.count, problem.start_ns) == (41, at_ns(745))
    assert found(timeline, ProblemKind.RUNS_WITHOUT_PROFILE) is None


@pytest.mark.parametrize(("events", "truncated"), [(ORT_CAP - 1, False), (ORT_CAP, True)])
def test_as_many_events_as_ort_records_are_too_many(tmp_path: Path, events: int, truncated: bool) -> None:
    """ORT 1.30 and earlier leave no mark in the file."""
    timeline = program(1).load(tmp_path)
    sources = tuple(
        replace(source, spans=events) if source.kind == "ort-profile" else source for source in timeline.sources
    )
    kinds = {problem.kind for problem in find_problems(replace(timeline, sources=sources))}
    assert (ProblemKind.PROFILE_TRUNCATED in kinds) == truncated


def test_no_gpu_trace_is_no_loss_of_launches(tmp_path: Path) -> None:
    scene = Scene().session(0, 0, 50).hook("run", 100, 10, session=0)
    assert not {problem.kind for problem in scene.load(tmp_path).problems} & set(LOSSES)
