"""The clock of a torch trace against the hook log's, by the launches of hooked runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from scene import Scene

from ortprobe.bundle import ATTACHED_TORCH_PROFILER
from ortprobe.ingest import load_bundle
from ortprobe.timeline import ClockBound, ClockMethod, ProblemKind, SourceKind, Timeline

DATA = Path(__file__).parents[1] / "data"


def trace_bounds(timeline: Timeline) -> list[ClockBound]:
    return [clock for clock in timeline.clocks if timeline.sources[clock.source].kind is SourceKind.TORCH_TRACE]


def runs(late_us: float, *, marker_us: float = 54) -> Scene:
    """Two runs of 50 µs with a launch of 2 µs after 20 and 30 µs, in a trace whose clock is late."""
    scene = Scene(window_us=(0, 1000)).session(0, 0, 50)
    for number, start_us in enumerate((100, 300)):
        scene.hook("run", start_us, 50, session=0, run=number, attached=ATTACHED_TORCH_PROFILER)
        scene.torch_op(f"ortprobe.run#{number}", start_us - 2 + late_us, marker_us)
        scene.launch("conv", start_us + 20 + 10 * number + late_us, start_us + 45 + late_us, 5, number + 1)
    return scene.launch("torch", 800 + late_us, 810 + late_us, 5, 10)


@pytest.mark.parametrize("late_us", [0, 15, -15])
def test_launches_of_runs_bound_the_clock(tmp_path: Path, late_us: float) -> None:
    timeline = runs(late_us).load(tmp_path)
    (bound,) = trace_bounds(timeline)
    assert bound.method is ClockMethod.EPOCH
    assert (bound.low_ns, bound.high_ns) == ((-20 - late_us) * 1000, (18 - late_us) * 1000)
    assert bound.witnesses == 2
    assert not [problem for problem in timeline.problems if problem.kind is ProblemKind.CLOCK_DOUBT]


@pytest.mark.parametrize("late_us", [200, -5000])
def test_a_trace_whose_launches_lie_outside_of_their_calls_is_doubted(tmp_path: Path, late_us: float) -> None:
    timeline = runs(late_us).load(tmp_path)
    (doubt,) = [problem for problem in timeline.problems if problem.kind is ProblemKind.CLOCK_DOUBT]
    assert timeline.sources[doubt.source].path == "torch-0.json"
    assert f"{-20 - late_us:+,.0f} to {18 - late_us:+,.0f} µs" in doubt.detail


def test_a_range_that_was_open_when_the_window_closed_is_no_witness(tmp_path: Path) -> None:
    assert trace_bounds(runs(0, marker_us=900).load(tmp_path)) == []


def test_the_trace_of_a_service_on_an_h100_agrees_with_its_hooks() -> None:
    timeline = load_bundle(DATA / "h100-service.ortprobe")
    (bound,) = trace_bounds(timeline)
    assert -1_000_000 < bound.low_ns < 0 < bound.high_ns < 1_000_000
    assert bound.witnesses >= 29
    assert not [problem for problem in timeline.problems if problem.kind is ProblemKind.CLOCK_DOUBT]
