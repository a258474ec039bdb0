from __future__ import annotations

import json

import captures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import ORT, LoopPlan, PlayedLoop
from node_loop import Node, node_loop
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.path.what_if import WhatIfs
from ortprobe.ingest import load_bundle


def what_ifs_of(plan: LoopPlan, folder) -> tuple[PlayedLoop, WhatIfs]:
    played = PlayedLoop(plan)
    found = Analyses(played.scene.load(folder)).what_ifs
    assert found is not None
    return played, found


def predicted_us(found: WhatIfs, change: Change) -> float:
    (one,) = (each for each in found.changes if each.change is change)
    return one.pace_ns / 1000


PLANS = st.builds(
    LoopPlan,
    kernels_us=st.lists(st.integers(5, 120), min_size=1, max_size=6).map(tuple),
    between_launches_us=st.integers(0, 60),
    between_runs_us=st.integers(5, 300),
    copy_us=st.integers(0, 60),
    waits_after_run=st.booleans(),
    waits_in_run=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(plan=PLANS)
def test_the_unchanged_loop_takes_what_it_took(tmp_path_factory, plan):
    played, found = what_ifs_of(plan, tmp_path_factory.mktemp("loop"))
    assert found.measured.pace_ns / 1000 == pytest.approx(played.pace_us, rel=1e-6)
    assert found.error < 0.02


@settings(max_examples=60, deadline=None)
@given(plan=PLANS)
def test_loops_without_waits_take_what_they_do_when_made_without(tmp_path_factory, plan):
    slow = plan.without(waits_after_run=True, waits_in_run=True, runs=20)
    _, found = what_ifs_of(slow, tmp_path_factory.mktemp("loop"))
    for change, without in ((Change.NO_PROGRAM_WAITS, "waits_after_run"), (Change.NO_RUN_WAITS, "waits_in_run")):
        truth_us = PlayedLoop(slow.without(**{without: False})).pace_us
        assert predicted_us(found, change) == pytest.approx(truth_us, rel=0.03)


@settings(max_examples=30, deadline=None)
@given(plan=PLANS)
def test_one_stream_and_no_device_work_take_what_they_do_when_made_so(tmp_path_factory, plan):
    slow = plan.without(copy_us=plan.copy_us + 5, runs=20)
    _, found = what_ifs_of(slow, tmp_path_factory.mktemp("loop"))
    assert predicted_us(found, Change.ONE_STREAM) == pytest.approx(
        PlayedLoop(slow.without(copy_stream=ORT)).pace_us, rel=0.05
    )
    nothing = slow.without(kernels_us=(0,) * len(slow.kernels_us), copy_us=0.001)
    assert predicted_us(found, Change.NO_DEVICE_WORK) == pytest.approx(PlayedLoop(nothing).pace_us, rel=0.05)


def test_a_wait_that_hides_behind_the_device_gives_nothing(tmp_path):
    """The device is the bottleneck, and the wait leaves it just one launch behind."""
    plan = LoopPlan(kernels_us=(500, 500), between_runs_us=5, copy_us=0, waits_after_run=True, runs=20)
    _, found = what_ifs_of(plan, tmp_path)
    assert found.pace_ns - predicted_us(found, Change.NO_PROGRAM_WAITS) * 1000 < 0.05 * found.pace_ns


def test_what_tracing_cost_is_taken_out_before_the_host_is_judged(tmp_path):
    """Ten calls a pass of 240 µs that the tracer made 8 µs longer each."""
    plan = LoopPlan(kernels_us=(10,) * 10, between_launches_us=20, between_runs_us=10, copy_us=0, untraced_us=160)
    _, found = what_ifs_of(plan, tmp_path)
    assert found.loop.untraced_pace_ns == 160_000
    assert found.untraced is not None
    assert found.untraced.pace_ns == pytest.approx(160_000, rel=0.02)
    assert found.cost_per_call_ns == pytest.approx(8_000, rel=0.1)
    (free,) = (each for each in found.changes if each.change is Change.NO_DEVICE_WORK)
    assert free.low_ns <= free.pace_ns <= free.high_ns <= 1.03 * 160_000


def test_where_the_device_sets_the_pace_the_least_cost_that_explains_it_is_taken(tmp_path):
    """Twenty calls a pass: 260 µs of the host traced, 220 µs of the device, which is what untraced passes take."""
    plan = LoopPlan(kernels_us=(10,) * 20, between_launches_us=10, between_runs_us=10, copy_us=0, untraced_us=220)
    _, found = what_ifs_of(plan, tmp_path)
    assert found.cost_per_call_ns == pytest.approx(2_000, abs=700)


def test_work_without_its_launch_holds_no_stream_back(tmp_path):
    played = PlayedLoop(LoopPlan(copy_us=0))
    played.scene.kernel("whose?", played.starts_us[-2], 50, 9_999, stream=ORT)
    found = Analyses(played.scene.load(tmp_path)).what_ifs
    assert found is not None
    assert found.error < 0.02


def test_without_nodes_that_move_elements_a_loop_takes_what_it_does_when_they_launch_nothing(tmp_path):
    def paced(cast_us: int) -> WhatIfs:
        first, last = (Node(op=op, kernel_us=cast_us) for op in ("Cast", "Transpose"))
        scene = node_loop(*[[first, Node(op="Tanh", kernel_us=30), last]] * 10, gap_us=20)
        found = Analyses(scene.load(tmp_path / str(cast_us))).what_ifs
        assert found is not None
        return found

    slow, quick = paced(60), paced(0)
    assert predicted_us(slow, Change.NO_LAYOUT_WORK) == pytest.approx(quick.pace_ns / 1000, rel=0.08)
    assert slow.pace_ns > 1.5 * quick.pace_ns
    assert quick.of_change(Change.NO_LAYOUT_WORK) is None, "there is nothing to leave out"


def test_a_program_without_runs_that_were_watched_has_no_loop(tmp_path):
    scene = Scene().session(0, 0, 5)
    for number in range(10):
        scene.hook("run", 100 + 20 * number, 10, session=0)
    assert Analyses(scene.load(tmp_path)).what_ifs is None


RECORDED = [
    *(f"h100-examples/{name}" for name in ("healthy", "missing-wait", "set-providers")),
    *("h100-graph", "h100-flow", "h100-service"),
]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_loops_replay_to_what_they_took(name):
    """With streams of their own, CUDA graphs, nodes on the CPU, and a pool of threads."""
    found = Analyses(load_bundle(captures.DATA / f"{name}.ortprobe")).what_ifs
    assert found is not None
    assert found.error < 0.05
    assert all(each.low_ns <= each.pace_ns <= each.high_ns for each in found.changes)
    assert np.all(np.diff([each.pace_ns for each in found.changes]) >= 0)


MEASURED = json.loads((captures.DATA / "h100-workloads" / "known.json").read_text())["pace_ns"]


@pytest.mark.parametrize(
    ("recording", "change", "cost", "fixed"),
    [
        ("resnet50-pageable", Change.PINNED_MEMORY, "resnet50 pageable", "resnet50 pinned"),
        ("encoder-cpu-nodes", Change.NO_CPU_NODES, "encoder cpu-nodes", "encoder run-sync"),
    ],
)
def test_what_a_fix_gave_for_real_was_told_from_the_capture(recording, change, cost, fixed):
    """Medians of four processes each with the cost and with the fix, in turns, on the GPU of the recording. The host's
    speed changed by a quarter from process to process, and so did what the fix saved."""
    found = Analyses(load_bundle(captures.DATA / "h100-workloads" / f"{recording}.ortprobe")).what_ifs
    assert found is not None
    saved_ns = np.median(MEASURED[cost]) - np.median(MEASURED[fixed])
    assert found.pace_ns - 1000 * predicted_us(found, change) == pytest.approx(saved_ns, rel=0.35)
    assert found.error < 0.05


def test_threads_with_sessions_of_their_own_replay_together():
    found = Analyses(load_bundle(captures.DATA / "h100-workloads" / "tiny-threads.ortprobe")).what_ifs
    assert found is not None
    assert found.error < 0.05
    assert Change.ONE_STREAM in {each.change for each in found.changes}
