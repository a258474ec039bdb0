from __future__ import annotations

import captures
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.bounds import Bound, bound_of


def _loop(tmp_path, *, kernel_us: int, kernels: int, gap_us: int, drain_us: int, attached: int = 2, stream: int = 7):
    """Four runs that launch a kernel each `gap_us`, wait for the streams, and end; work of others is on stream 9."""
    scene = Scene(window_us=(0, 100_000)).session(0, -50, 5)
    period, number = kernels * gap_us + drain_us + 40, 0
    for run in range(4):
        start_us = 10 + run * period
        scene.hook("run", start_us, period - 10, session=0, attached=attached)
        free_us = start_us
        for each in range(kernels):
            number += 1
            free_us = max(free_us, start_us + 5 + each * gap_us)
            scene.launch("k", start_us + 2 + each * gap_us, free_us, kernel_us, number)
            free_us += kernel_us
        if stream != 7:
            number += 1
            scene.launch("theirs", start_us - 8, start_us - 4, kernels * gap_us + drain_us, number, stream=stream)
        number += 1
        wait_us = start_us + kernels * gap_us + 2
        scene.call("cudaStreamSynchronize", wait_us, drain_us, number)
        scene.wait("Stream Sync", wait_us, drain_us, number, stream=stream)
    (found,) = Analyses(scene.load(tmp_path)).bounds
    return found


def test_a_gpu_that_waits_for_each_launch_is_launch_bound(tmp_path):
    found = _loop(tmp_path, kernel_us=2, kernels=10, gap_us=20, drain_us=10)
    assert (found.bound, found.runs) == (Bound.LAUNCH, 3)
    assert found.busy_share == pytest.approx(0.1, abs=0.02)
    assert (found.ahead_ns, found.kernel_ns) == (1_000, 2_000)


def test_a_gpu_that_works_long_after_the_launches_sets_the_pace(tmp_path):
    found = _loop(tmp_path, kernel_us=50, kernels=10, gap_us=20, drain_us=300)
    assert found.bound is Bound.GPU
    assert found.busy_share > 0.9
    assert found.drain_share > 0.5
    assert found.own_share > 0.9
    assert found.ahead_ns > 100_000


def test_a_run_that_waits_for_the_work_of_others_is_bound_by_them(tmp_path):
    found = _loop(tmp_path, kernel_us=2, kernels=10, gap_us=20, drain_us=300, stream=9)
    assert found.bound is Bound.OTHERS
    assert found.own_share < 0.1


def test_what_orts_profile_slowed_down_is_not_called_launch_bound(tmp_path):
    """The pace of ResNet-50, batch 8, is the GPU's; with ORT's profile attached it looks like the host's."""
    assert _loop(tmp_path, kernel_us=2, kernels=10, gap_us=20, drain_us=10, attached=3).bound is Bound.UNKNOWN
    assert {each.bound for each in Analyses(captures.resnet()).bounds} == {Bound.UNKNOWN}


def test_the_thresholds_are_those_that_are_written():
    shares = ((0.49, 0.09, 0.4), (0.49, 0.11, 0.4), (0.5, 0, 0.4), (0.9, 0, 0.5), (0, 0.5, 0.5), (0.9, 0, 0.49))
    assert [bound_of(*each, with_profile=False) for each in shares] == [
        Bound.LAUNCH, Bound.MIXED, Bound.MIXED, Bound.GPU, Bound.GPU, Bound.OTHERS,
    ]  # fmt: skip
    assert {bound_of(None, 0.2, 0.2, with_profile=False), bound_of(0.2, None, 0.2, with_profile=False)} == {
        Bound.UNKNOWN
    }


def test_replays_of_a_cuda_graph_are_not_launch_bound_and_a_chain_of_tiny_nodes_is():
    (graph,), (flow,) = (Analyses(captures.recorded(name)).bounds for name in ("graph", "flow"))
    assert (graph.bound, flow.bound) == (Bound.GPU, Bound.LAUNCH)
    assert graph.ahead_ns > 100_000 > flow.ahead_ns


def test_without_a_gpu_trace_nobody_can_tell(tmp_path):
    scene = Scene()
    scene.profile().run(0, 50).node("a", 5, 10).run(60, 50).node("a", 65, 10)
    (found,) = Analyses(scene.load(tmp_path)).bounds
    assert (found.bound, found.runs, found.busy_share, found.ahead_ns) == (Bound.UNKNOWN, 0, None, None)
