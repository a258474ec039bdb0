"""Correlation ids used twice, and calls that cross."""

from __future__ import annotations

from pathlib import Path

import pytest
from scene import Scene

from ortprobe.timeline import ProblemKind

from .planted import correlations, found, launches, planted


def test_two_calls_with_one_correlation_id(tmp_path: Path) -> None:
    timeline, problem = planted(launches(10).call("cudaFree", 500, 5, 4), tmp_path, ProblemKind.CORRELATION_REUSED)
    assert (problem.count, correlations(timeline, problem)) == (1, [4])
    assert timeline.name_of(problem.evidence[0]) == "cudaFree"


def test_a_driver_call_inside_its_runtime_call_may_share_its_id(tmp_path: Path) -> None:
    timeline = launches(10).call("cuLaunchKernel", 40.5, 1, 5).load(tmp_path)
    assert found(timeline, ProblemKind.CORRELATION_REUSED) is None


@pytest.mark.parametrize(
    ("start_us", "dur_us", "crosses"),
    [(150, 100, True), (150, 50, False), (200, 50, False), (199, 50, False), (150, 51.5, False)],
)
def test_calls_that_overlap_without_nesting(tmp_path: Path, start_us: float, dur_us: float, crosses: bool) -> None:
    scene = Scene().torch_op("outer", 100, 100).torch_op("inner", start_us, dur_us).torch_op("later", 400, 10)
    timeline = scene.load(tmp_path)
    problem = found(timeline, ProblemKind.SPANS_CROSS)
    assert (problem is not None) == crosses
    if problem:
        assert [timeline.name_of(span) for span in problem.evidence] == ["inner"]


def test_threads_and_ranges_of_the_program_may_overlap(tmp_path: Path) -> None:
    scene = Scene().torch_op("one", 100, 100).torch_op("other", 150, 100, thread=77)
    scene.annotation("range", 150, 100).torch_op("two", 300, 10)
    assert found(scene.load(tmp_path), ProblemKind.SPANS_CROSS) is None
