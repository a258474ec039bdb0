"""Times that can't be true."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scene import Scene, at_ns

from ortprobe.ingest import load_bundle
from ortprobe.timeline import ProblemKind

from .planted import correlations, found, launches, planted, program


@pytest.mark.parametrize(("early_us", "wrong"), [(5, False), (50, True)])
def test_work_before_its_launch(tmp_path: Path, early_us: float, wrong: bool) -> None:
    scene = launches(10).launch("conv", 200, 200 - early_us, 5, 50)
    timeline = scene.load(tmp_path)
    problem = found(timeline, ProblemKind.WORK_BEFORE_LAUNCH)
    assert (problem is not None) == wrong
    if problem:
        assert correlations(timeline, problem) == [50]


@pytest.mark.parametrize(
    ("call", "record", "stream", "wrong"),
    [
        ("cudaStreamSynchronize", "Stream Sync", 7, True),
        ("cudaStreamSynchronize", "Stream Sync", 20, False),
        ("cudaDeviceSynchronize", "Context Sync", -1, True),
        ("cudaStreamQuery", "Stream Sync", 7, False),
    ],
)
def test_work_after_the_return_of_a_call_that_waited_for_it(
    tmp_path: Path, call: str, record: str, stream: int, wrong: bool
) -> None:
    scene = launches(5).launch("slow", 100, 110, 300, 50).launch("other", 120, 130, 2, 51, stream=20)
    scene.call(call, 200, 50, 60).wait(record, 200, 50, 60, stream=stream)
    timeline = scene.load(tmp_path)
    problem = found(timeline, ProblemKind.WORK_AFTER_SYNC)
    assert (problem is not None) == wrong
    if problem:
        assert correlations(timeline, problem) == [50]


def test_work_that_ends_with_the_wait_for_it_is_sound(tmp_path: Path) -> None:
    scene = launches(5).launch("slow", 100, 110, 300, 50)
    scene.call("cudaStreamSynchronize", 200, 212, 60).wait("Stream Sync", 200, 212, 60, stream=7)
    assert found(scene.load(tmp_path), ProblemKind.WORK_AFTER_SYNC) is None


@pytest.mark.parametrize(("dur_us", "wrong"), [(3600e6, False), (90_000e6, True)])
def test_a_kernel_of_a_day_is_none(tmp_path: Path, dur_us: float, wrong: bool) -> None:
    scene = launches(5).launch("endless", 100, 110, dur_us, 50).torch_op("aten::add", 110 + dur_us, 5)
    timeline = scene.load(tmp_path)
    problem = found(timeline, ProblemKind.IMPOSSIBLE_TIMES)
    assert (problem is not None) == wrong
    if problem:
        assert correlations(timeline, problem) == [50]


def test_device_work_months_before_its_trace_is_none(tmp_path: Path) -> None:
    timeline, problem = planted(launches(5).kernel("lost", -9e12, 5, 77), tmp_path, ProblemKind.IMPOSSIBLE_TIMES)
    assert correlations(timeline, problem) == [77]


def test_events_that_end_before_they_begin_are_counted_by_file(tmp_path: Path) -> None:
    scene = program(2).call("cudaFree", 300, -5, 500)
    scene.profiles[0].node("node0", 300, -7)
    timeline = scene.load(tmp_path)
    problems = [problem for problem in timeline.problems if problem.kind is ProblemKind.IMPOSSIBLE_TIMES]
    assert [(timeline.sources[problem.source].path, problem.count) for problem in problems] == [
        ("ort-0.json", 1),
        ("torch-0.json", 1),
    ]


def test_a_doubt_about_a_profile_names_it_and_the_launches_outside_of_its_nodes(tmp_path: Path) -> None:
    bundle = program(6).write_bundle(tmp_path / "x.ortprobe")
    log = bundle / "hooks.jsonl"
    moved = log.read_text().replace(f'"profile_start_ns":{at_ns(0)}', f'"profile_start_ns":{at_ns(30)}')
    log.write_text(moved)
    timeline = load_bundle(bundle)
    problem = found(timeline, ProblemKind.CLOCK_DOUBT)
    assert problem is not None
    assert timeline.sources[problem.source].path == "ort-0.json"
    assert problem.evidence
    assert {timeline.name_of(span) for span in problem.evidence} == {"cudaLaunchKernel"}


def test_a_capture_during_which_the_clock_was_set_says_so(tmp_path: Path) -> None:
    bundle = Scene().session(0, 0, 50).hook("run", 100, 10, session=0).write_bundle(tmp_path / "x.ortprobe")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["ending"]["clock"]["realtime_ns"] += 3_000_000
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    problem = found(load_bundle(bundle), ProblemKind.CLOCK_STEPPED)
    assert problem is not None
    assert "3,000 µs" in problem.detail
