from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import captures
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene import Scene, at_ns
from traces.found import origins_of
from traces.machine import execute
from traces.ort_rows import truncated_row
from traces.program import EndProfiling, Launch, Model, Node, Owner, Program, Run, Step, StreamKind, StreamSpec
from traces.reading import read
from traces.recording import Recording
from traces.strategies import Capture, healthy_captures, lossy_captures
from traces.truth import Truth

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.attribution import (
    HAS_NODE,
    REASONS,
    Amount,
    Attribution,
    WithoutNode,
    WorkOrigin,
    compute_attribution,
)
from ortprobe.ingest import load_files
from ortprobe.timeline import LinkedBy, Timeline

REAL = {
    "resnet": captures.resnet,
    "racy": captures.racy,
    "healthy": captures.healthy,
    "service": captures.service,
    **{f"example-{name}": lambda name=name: captures.example(name).timeline for name in ("missing-wait", "healthy")},
    "example-set-providers": lambda: captures.example("set-providers").timeline,
}
LOSSES = {
    WithoutNode.NO_LAUNCH, WithoutNode.PROFILE_CUT_OFF, WithoutNode.PROFILE_ADRIFT, WithoutNode.RUN_INCOMPLETE,
}  # fmt: skip
few = settings(deadline=None, max_examples=15, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large))


def kinds(found: Attribution) -> tuple[WorkOrigin, ...]:
    return found.kernels, found.copies, found.fills


def counts(split: dict) -> dict:
    return {key: amount.count for key, amount in split.items()}


def total(amounts: Iterable[Amount]) -> Amount:
    all_of_them = tuple(amounts)
    return Amount(count=sum(one.count for one in all_of_them), device_ns=sum(one.device_ns for one in all_of_them))


def sums_are_exact(timeline: Timeline) -> bool:
    found = compute_attribution(timeline)
    assert sum(origin.total.count for origin in kinds(found)) == len(timeline.device_ops.span)
    return all(
        total(split) == origin.total
        for origin in kinds(found)
        for split in (
            origin.launch_by.values(),
            origin.run_by.values(),
            (*origin.node_by.values(), *origin.without_node.values()),
        )
    )


@pytest.mark.parametrize("name", REAL)
def test_every_kernel_of_ort_on_an_h100_has_its_node(name: str):
    timeline = REAL[name]()
    nodes, kernels = Analyses(timeline).nodes, compute_attribution(timeline).kernels
    assert nodes.kernels_with_node >= 0.999 * nodes.kernels_of_ort > 0
    assert sum(counts(kernels.node_by).values()) == nodes.kernels_with_node
    assert set(kernels.without_node) <= {WithoutNode.TORCH_OP}
    assert sums_are_exact(timeline)


def test_a_service_has_half_as_many_nodes_seen_as_borrowed():
    """One run in three was profiled; the copies of its inputs and outputs lie around its nodes."""
    found = compute_attribution(captures.service())
    assert counts(found.kernels.node_by) == {LinkedBy.NESTED: 160, LinkedBy.SAME_SEQUENCE: 320}
    assert found.kernels.with_line == found.kernels.total
    assert counts(found.copies.without_node) == {
        WithoutNode.SESSION_CREATION: 8, WithoutNode.AROUND_EXECUTE: 20, WithoutNode.NONE_TO_BORROW: 40,
    }  # fmt: skip


def profiled_run() -> Scene:
    """A hooked session with one profiled run of two nodes, each with a kernel."""
    scene = Scene(window_us=(0, 1000))
    scene.profile().load(0, 10).initialize(10, 50).run(100, 100).node("a", 110, 20).node("b", 140, 20, index=1)
    scene.session(0, 0, 70).hook("run", 98, 104, session=0, attached=3, site="app.py:7")
    return scene.launch("conv", 115, 120, 5, 1).launch("relu", 145, 150, 5, 2)


def run_without_profile(scene: Scene, *kernels: str, session: int = 0, attached: int = 2) -> Scene:
    scene.hook("run", 298, 104, session=session, attached=attached)
    for number, name in enumerate(kernels):
        scene.launch(name, 305 + 10 * number, 310 + 10 * number, 5, 11 + number)
    return scene


def truncated(scene: Scene) -> Scene:
    scene.profiles[0].events.append(truncated_row(200, 41, process=4242, thread=4242))
    return run_without_profile(scene, "other", attached=3)


def lost_work(scene: Scene) -> Scene:
    """What is left of the run is what the profiled one did."""
    return run_without_profile(scene, "conv", "relu").call("cudaLaunchKernel", 350, 2, 98)


def copy(scene: Scene, call_us: float, correlation: int) -> Scene:
    scene.call("cudaMemcpyAsync", call_us, 1, correlation)
    return scene.memcpy("Memcpy DtoD (Device -> Device)", call_us + 2, 1, correlation)


def copied_between_nodes_twice(scene: Scene) -> Scene:
    scene.hook("run", 298, 104, session=0, attached=2).launch("conv", 315, 320, 5, 11).launch("relu", 345, 350, 5, 13)
    return copy(copy(scene, 133, 3), 333, 12)


PLANTED: dict[WithoutNode, tuple[Callable[[Scene], Scene], dict[WithoutNode, int]]] = {
    WithoutNode.NO_LAUNCH: (lambda scene: scene.kernel("k", 250, 5, 99), {}),
    WithoutNode.SESSION_CREATION: (lambda scene: scene.launch("k", 20, 25, 5, 99), {}),
    WithoutNode.TORCH_OP: (lambda scene: scene.torch_op("aten::add", 210, 20).launch("k", 215, 218, 5, 99), {}),
    WithoutNode.ORT_CALL: (lambda scene: scene.hook("bind_input", 210, 20, binding=1).launch("k", 215, 218, 5, 99), {}),
    WithoutNode.OUTSIDE_RUNS: (lambda scene: scene.launch("k", 215, 218, 5, 99), {}),
    WithoutNode.PROFILE_CUT_OFF: (truncated, {}),
    WithoutNode.NO_PROFILE: (
        lambda scene: run_without_profile(scene.session(1, 250, 10), "conv", session=1), {}
    ),
    WithoutNode.BETWEEN_NODES: (lambda scene: copy(scene, 133, 99), {}),
    WithoutNode.AROUND_EXECUTE: (lambda scene: copy(scene, 98.5, 99), {}),
    WithoutNode.NONE_TO_BORROW: (copied_between_nodes_twice, {WithoutNode.BETWEEN_NODES: 1}),
    WithoutNode.SESSION_UNKNOWN: (lambda scene: run_without_profile(scene, "conv", session=-1), {}),
    WithoutNode.RUN_INCOMPLETE: (lost_work, {WithoutNode.RUN_INCOMPLETE: 2}),
    WithoutNode.NO_SAME_SEQUENCE: (lambda scene: run_without_profile(scene, "other"), {}),
}  # fmt: skip


@pytest.mark.parametrize("reason", PLANTED)
def test_work_without_a_node_has_the_reason_that_was_planted(tmp_path: Path, reason: WithoutNode):
    plant, also = PLANTED[reason]
    timeline = plant(profiled_run()).load(tmp_path)
    found = compute_attribution(timeline)
    assert counts(found.kernels.without_node) | counts(found.copies.without_node) == {reason: 1} | also
    assert found.kernels.node_by[LinkedBy.NESTED] == Amount(count=2, device_ns=10_000)
    assert sums_are_exact(timeline)


def test_every_reason_was_planted():
    assert {*PLANTED, WithoutNode.PROFILE_ADRIFT} == set(WithoutNode)


def test_a_run_that_did_the_same_has_its_nodes_and_its_line(tmp_path: Path):
    scene = run_without_profile(profiled_run(), "conv", "relu")
    kernels = compute_attribution(scene.load(tmp_path)).kernels
    assert counts(kernels.node_by) == {LinkedBy.NESTED: 2, LinkedBy.SAME_SEQUENCE: 2}
    assert not kernels.without_node
    assert counts(kernels.launch_by) == {LinkedBy.STATED: 4}
    assert counts(kernels.run_by) == {LinkedBy.NESTED: 4}
    assert kernels.with_line.count == 2, "the other run has no line"


def three_runs_alike(profile_after_us: int) -> Scene:
    """With a profile whose runs begin that much later than the launches say."""
    scene = Scene(window_us=(0, 1000))
    profile = scene.profile().load(50, 10).initialize(60, 20)
    for number in range(3):
        at_us = 100 + 200 * number
        profile.run(at_us + profile_after_us, 80).node("a", at_us + profile_after_us + 10, 20)
        scene.launch("conv", at_us + 15, at_us + 20, 5, number + 1)
    return scene


def test_a_profile_whose_stated_start_is_wrong_gives_no_node(tmp_path: Path):
    """Each of its runs lies between two hooked calls."""
    scene = three_runs_alike(profile_after_us=100).session(0, 0, 99)
    for start_us in (95, 295, 495):
        scene.hook("run", start_us, 90, session=0, attached=3)
    kernels = compute_attribution(scene.load(tmp_path)).kernels
    assert counts(kernels.without_node) == {WithoutNode.PROFILE_ADRIFT: 3}


def test_a_bare_profile_that_fits_in_several_places_gives_no_node(tmp_path: Path):
    scene = three_runs_alike(profile_after_us=0)
    scene.rows = scene.rows[:2]
    timeline = load_files(ort=[scene.write_profile(tmp_path, 0)], torch=[scene.write_trace(tmp_path)])
    assert counts(compute_attribution(timeline).kernels.without_node) == {WithoutNode.PROFILE_ADRIFT: 1}


def test_what_was_launched_behind_the_cut_of_a_bare_profile_says_so(tmp_path: Path):
    """With the run's end the run is cut away. Nodes are believed up to the last one's start: more may lie in that."""
    scene = Scene().torch_op("aten::add", 210, 20).launch("torch", 215, 218, 5, 9)
    profile = scene.profile().load(0, 10).initialize(10, 50)
    for number, node in enumerate("abc"):
        profile.node(node, 110 + 30 * number, 20, index=number)
        scene.launch("conv", 115 + 30 * number, 120 + 30 * number, 5, number + 1)
    profile.run(100, 100)
    file, trace = scene.write_profile(tmp_path, 0), scene.write_trace(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.index(b"c_kernel_time")])
    timeline = load_files(ort=[f"{file}@{at_ns(0)}"], torch=[trace])
    kernels, nodes = compute_attribution(timeline).kernels, Analyses(timeline).nodes
    assert counts(kernels.without_node) == {WithoutNode.PROFILE_CUT_OFF: 2, WithoutNode.TORCH_OP: 1}
    assert (nodes.kernels_of_ort, nodes.kernels_with_node) == (1, 1)


def test_a_torch_trace_alone_does_not_say_what_is_not_torchs(tmp_path: Path):
    scene = Scene().torch_op("aten::add", 10, 20).launch("k", 15, 20, 5, 1).launch("k", 45, 50, 5, 2)
    kernels = compute_attribution(scene.load(tmp_path)).kernels
    assert counts(kernels.without_node) == {WithoutNode.TORCH_OP: 1, WithoutNode.NO_PROFILE: 1}


STREAMS = (
    StreamSpec(device=0, trace_id=7, handle=0, kind=StreamKind.LEGACY),
    StreamSpec(device=0, trace_id=20, handle=94_000_000, kind=StreamKind.NON_BLOCKING),
)
GEMM = Launch(name="gemm", duration_ns=900)
EITHER = Node(
    name="if", op_type="If", branches=((Node(name="then", launches=(GEMM,)),), (Node(name="else", launches=(GEMM,)),))
)


def recorded(*steps: Step, node: Node) -> Timeline:
    """One session that runs on one thread, all of it watched."""
    program = Program(
        streams=STREAMS, models=(Model(nodes=(node,)),), owners=(Owner(model=0, stream=1),), threads=(steps,)
    )
    history = execute(program)
    recording = Recording(windows=((-5_000, history.end_ns + 5_000),))
    return read(Capture(history=history, recording=recording), "bundle")[0]


def test_a_replayed_graph_has_the_nodes_of_the_run_that_it_was_captured_from():
    steps = (Run(owner=0), Run(owner=0, is_replay=True))
    kernels = compute_attribution(recorded(*steps, node=Node(name="first", launches=(GEMM,)))).kernels
    assert counts(kernels.node_by) == {LinkedBy.NESTED: 1, LinkedBy.SAME_SEQUENCE: 1}
    assert not kernels.without_node


def test_runs_that_did_the_same_from_different_nodes_lend_none():
    steps = (Run(owner=0), Run(owner=0, branch=1), EndProfiling(owner=0), Run(owner=0, branch=1))
    kernels = compute_attribution(recorded(*steps, node=EITHER)).kernels
    assert counts(kernels.without_node) == {WithoutNode.NO_SAME_SEQUENCE: 1}


@few
@given(healthy_captures() | lossy_captures(), st.sampled_from(("bundle", "stated", "fitted")))
def test_each_piece_of_work_is_counted_once(capture: Capture, way: str):
    assert sums_are_exact(read(capture, way)[0])


@few
@given(healthy_captures())
def test_nothing_is_put_down_to_a_loss_where_nothing_was_lost(capture: Capture):
    found = compute_attribution(read(capture, "bundle")[0])
    assert not LOSSES & {reason for origin in kinds(found) for reason in origin.without_node}


@few
@given(healthy_captures() | lossy_captures(), st.sampled_from(("bundle", "stated")))
def test_no_reason_says_what_is_not_so(capture: Capture, way: str):
    """What is said to lie outside of runs, or of nodes, truly does. Only hooks see every run."""
    timeline, written = read(capture, way)
    truth, origins = Truth(written), origins_of(timeline, written)
    outside_runs = {WithoutNode.OUTSIDE_RUNS, WithoutNode.TORCH_OP} if way == "bundle" else set()
    outside_nodes = {*outside_runs, WithoutNode.BETWEEN_NODES, WithoutNode.AROUND_EXECUTE}
    reasons = compute_attribution(timeline).reason.tolist()
    for span, reason in zip(timeline.device_ops.span.tolist(), reasons, strict=True):
        told = None if reason == HAS_NODE else REASONS[reason]
        run, node = (links.get(origins[span]) for links in (truth.runs, truth.nodes))
        assert told not in outside_runs or run is None or run.to is None
        assert told not in outside_nodes or node is None or node.to is None
