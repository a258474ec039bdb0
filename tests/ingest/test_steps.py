"""A step of the wall clock: found between two readings of it, and what lies after it is put on the clock before it."""

from __future__ import annotations

from pathlib import Path

import pytest
from scene import Scene, at_ns

from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER
from ortprobe.timeline import NONE, Problem, ProblemKind, Timeline

HOUR_US = 3600e6
STEPS_US = pytest.mark.parametrize("step_us", [HOUR_US, 5000, -5000, -HOUR_US])


def problems(timeline: Timeline, kind: ProblemKind) -> list[Problem]:
    return [problem for problem in timeline.problems if problem.kind is kind]


def runs_us(timeline: Timeline) -> list[tuple[float, float]]:
    """Start and length of each run that a hook saw."""
    runs = timeline.runs
    hooked = runs.hook_span != NONE
    starts, ends = runs.start_ns[hooked].tolist(), runs.end_ns[hooked].tolist()
    return [((start - at_ns(0)) / 1000, (end - start) / 1000) for start, end in zip(starts, ends, strict=True)]


@STEPS_US
def test_runs_on_both_sides_of_a_step_keep_their_order_and_distance(tmp_path: Path, step_us: float) -> None:
    scene = Scene().clocks(1).session(0, 10, 50).hook("run", 100, 10, session=0).clocks(150)
    scene.clocks(250, step_us).hook("run", 300 + step_us, 20, session=0).clocks(400, step_us)
    timeline = scene.load(tmp_path)
    (step,) = problems(timeline, ProblemKind.CLOCK_STEPPED)
    assert (step.start_ns, step.end_ns) == (at_ns(150), at_ns(250))
    assert f"{step_us:,.0f} µs" in step.detail
    assert runs_us(timeline) == [(100, 10), (300, 20)]


def test_steps_add_up(tmp_path: Path) -> None:
    scene = Scene().session(0, 10, 50).clocks(100).hook("run", 110, 5, session=0)
    scene.clocks(200, 7000).hook("run", 7210, 5, session=0)
    scene.clocks(300, -2000).hook("run", -1690, 5, session=0)
    timeline = scene.load(tmp_path)
    steps = problems(timeline, ProblemKind.CLOCK_STEPPED)
    assert [(one.start_ns, one.end_ns) for one in steps] == [(at_ns(100), at_ns(200)), (at_ns(200), at_ns(300))]
    assert runs_us(timeline) == [(110, 5), (210, 5), (310, 5)]


@pytest.mark.parametrize("step_us", [HOUR_US, -HOUR_US])
def test_a_run_that_lasts_through_a_step_lasts_as_long_as_it_did(tmp_path: Path, step_us: float) -> None:
    scene = Scene().session(0, 10, 50).clocks(150)
    scene.clocks(250, step_us).hook("run", 140, 160 + step_us, session=0)
    assert runs_us(scene.load(tmp_path)) == [(140, 160)]


def test_a_clock_that_is_slewed_without_the_other_is_not_stepped(tmp_path: Path) -> None:
    scene = Scene().session(0, 10, 50)
    for second in range(1, 6):
        scene.clocks(1e6 * second, 450 * second)
        scene.hook("run", 1e6 * second + 450 * second + 100, 10, session=0)
    timeline = scene.load(tmp_path)
    assert problems(timeline, ProblemKind.CLOCK_STEPPED) == []
    assert runs_us(timeline)[-1] == (5e6 + 5 * 450 + 100, 10)


def test_a_step_of_less_than_a_slew_is_found_where_the_clocks_agree_otherwise(tmp_path: Path) -> None:
    scene = Scene().session(0, 10, 50)
    for second in range(1, 6):
        scene.clocks(1e6 * second, 300 if second > 3 else 0)
    (step,) = problems(scene.load(tmp_path), ProblemKind.CLOCK_STEPPED)
    assert (step.start_ns, step.end_ns) == (at_ns(3e6), at_ns(4e6))


def traced(began_us: float, step_us: float) -> Scene:
    """A run with a kernel after a step between 150 and 250 µs, in a window that opened when it is said."""
    scene = Scene(window_us=(began_us + (step_us if began_us > 250 else 0), 400 + step_us), window_began_us=began_us)
    scene.session(0, 10, 50).clocks(150).clocks(250, step_us)
    scene.hook("run", 300 + step_us, 50, session=0, attached=ATTACHED_TORCH_PROFILER)
    return scene.torch_op("aten::empty", 290 + step_us, 2).launch("conv", 310 + step_us, 320 + step_us, 5, 1)


@STEPS_US
def test_a_window_that_opened_after_a_step_moves_with_its_runs(tmp_path: Path, step_us: float) -> None:
    timeline = traced(280, step_us).load(tmp_path)
    assert len(problems(timeline, ProblemKind.CLOCK_STEPPED)) == 1
    (kernel,) = timeline.device_ops.span.tolist()
    assert timeline.spans.start_ns[kernel] == at_ns(320)
    assert timeline.links.run[kernel] == 0


def test_a_window_that_spans_a_step_is_in_doubt(tmp_path: Path) -> None:
    timeline = traced(120, 5000).load(tmp_path)
    step, window = problems(timeline, ProblemKind.CLOCK_STEPPED)
    assert (step.start_ns, step.end_ns) == (at_ns(150), at_ns(250))
    assert "torch-0.json" in window.detail
    assert (window.start_ns, window.end_ns) == (at_ns(120), at_ns(400))


def test_a_window_that_opened_shortly_before_a_long_step_back_is_not_taken_for_later(tmp_path: Path) -> None:
    scene = Scene(window_us=(100, 1e6), window_began_us=100).session(0, 10, 50).torch_op("aten::empty", 120, 5)
    scene.clocks(3e6).clocks(4e6, -3.5e6).clocks(4.6e6, -3.5e6)
    window = next(one for one in problems(scene.load(tmp_path), ProblemKind.CLOCK_STEPPED) if "torch" in one.detail)
    assert (window.start_ns, window.end_ns) == (at_ns(100), at_ns(4.5e6))


@STEPS_US
def test_of_a_profile_that_spans_a_step_only_what_came_before_is_placed(tmp_path: Path, step_us: float) -> None:
    scene = Scene()
    early = 6000  # so that a small step back leaves something of the profile
    profile = scene.profile().load(5, 10)
    scene.session(0, 2, 60, began_monotonic_ns=1000).clocks(80)
    for start_us, ahead_us in ((100, 0), (early + 300, step_us)):
        if ahead_us:
            scene.clocks(early + 150).clocks(early + 250, ahead_us)
        scene.hook("run", start_us + ahead_us, 50, session=0, attached=ATTACHED_ORT_PROFILE)
        profile.run(int(start_us + ahead_us) + 5, 40).node("conv", int(start_us + ahead_us) + 10, 10)
    timeline = scene.load(tmp_path)
    assert runs_us(timeline) == [(100, 50), (early + 300, 50)]
    placed = timeline.spans.start_ns[timeline.node_spans.span].tolist()
    assert placed == ([] if step_us == -HOUR_US else [at_ns(110)])
    (left_out,) = problems(timeline, ProblemKind.PROFILE_TRUNCATED)
    assert "step of the wall clock" in left_out.detail
    assert timeline.sources[left_out.source].path == "ort-0.json"


@STEPS_US
def test_a_profile_that_began_after_a_step_is_whole(tmp_path: Path, step_us: float) -> None:
    scene = Scene().clocks(1).clocks(50, step_us)
    scene.profile(int(100 + step_us)).load(int(105 + step_us), 10).run(int(305 + step_us), 40)
    scene.session(0, 100 + step_us, 60, began_monotonic_ns=100_000)
    scene.hook("run", 300 + step_us, 50, session=0, attached=ATTACHED_ORT_PROFILE)
    timeline = scene.load(tmp_path)
    assert problems(timeline, ProblemKind.PROFILE_TRUNCATED) == []
    assert timeline.sessions[0].start_ns == at_ns(100)
    assert (timeline.runs.hook_span != NONE).all()
    assert (timeline.runs.run_span != NONE).all()
