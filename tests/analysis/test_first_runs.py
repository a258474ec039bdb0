from __future__ import annotations

import captures
import pytest
from growing_shapes import EVERYTHING, growing, steady
from hypothesis import HealthCheck, given, settings
from scene import Profile, Scene
from traces.reading import read
from traces.strategies import healthy_captures, lossy_captures

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.first_runs import FirstRunCost, FirstRuns
from ortprobe.analysis.sessions.host_parts import HostPart
from ortprobe.timeline import NONE, Timeline

IN_NODES = (HostPart.NODE_BEFORE_LAUNCH, HostPart.NODE)


def first_runs(timeline: Timeline) -> list[FirstRuns]:
    return [life.first_runs for life in Analyses(timeline).sessions.lives]


def assert_sums(cost: FirstRunCost) -> None:
    if cost.parts_ns is None:
        return
    assert sum(cost.parts_ns.values()) + cost.unexplained_ns == cost.excess_ns == cost.latency_ns - cost.steady_ns
    if cost.node_host_ns is not None:
        assert sum(cost.node_host_ns.values()) == sum(cost.parts_ns.get(part, 0) for part in IN_NODES)


def cold(scene: Scene, profile: Profile) -> None:
    """A run of 1000 µs: in the node 200 before its launch, of which 50 load code and 30 allocate; a launch of 2, then
    100 in another call, and 298 more."""
    scene.hook("run", 1000, 1000, session=0, attached=EVERYTHING)
    profile.run(1005, 990).node("conv", 1020, 600, arena_bytes=1 << 20)
    scene.call("cudaFuncGetAttributes", 1030, 50, 501).overhead("Runtime Triggered Module Loading", 1032, 40)
    scene.call("cudaMalloc", 1100, 30, 502).launch("k", 1220, 1230, 5, 503).call("cudaSetDevice", 1300, 100, 504)


@pytest.fixture
def scene() -> Scene:
    scene = Scene(window_us=(0, 10_000))
    profile = scene.profile().load(10, 10).initialize(30, 60)
    cold(scene.session(0, 0, 100), profile)
    for number in range(4):
        steady(scene, profile, 3000 + 1000 * number, 600 + number)
    return scene


def test_what_the_first_run_did_more(scene, tmp_path):
    (found,) = first_runs(scene.load(tmp_path))
    assert (found.until_steady, found.excess_ns, found.overlapping) == (1, 900_000, False)
    (cost,) = found.early
    assert_sums(cost)
    assert cost.parts_ns == {
        HostPart.ORT: 390_000 - 30_000, HostPart.NODE: 298_000 - 48_000, HostPart.NODE_BEFORE_LAUNCH: 120_000 - 10_000,
        HostPart.CUDA_CALL: 100_000, HostPart.MODULE_LOADING: 50_000, HostPart.ALLOCATION: 30_000,
    }  # fmt: skip
    assert cost.node_host_ns == {"Conv": 360_000}
    assert cost.unexplained_ns == 0
    assert cost.arena_growth_bytes == 1 << 20
    assert (cost.kernels.kernels, cost.kernels.steady_kernels, cost.kernels.only_here) == (1, 1, 0)


def test_kernels_of_a_search_are_those_that_no_steady_run_has(scene, tmp_path):
    scene.launch("k_slow", 1240, 1250, 20, 505).launch("k_slower", 1260, 1275, 30, 506)
    (found,) = first_runs(scene.load(tmp_path))
    assert (found.early[0].kernels.only_here, found.early[0].kernels.only_here_ns) == (2, 50_000)


def test_a_run_with_new_shapes_is_compared_with_runs_of_its_shapes(tmp_path):
    (found,) = first_runs(growing(2).load(tmp_path))
    assert (found.until_steady, found.early) == (0, ())
    (cost,) = found.new_shapes
    assert_sums(cost)
    assert (cost.run, cost.position, cost.excess_ns) == (5, 5, 400_000)
    assert cost.new_shapes != NONE
    assert cost.compared_with > cost.run
    assert cost.kernels.only_here == 1


def test_one_more_run_of_the_new_shapes_does_not_say_what_is_steady(tmp_path):
    (found,) = first_runs(growing(1).load(tmp_path))
    (cost,) = found.new_shapes
    assert (cost.excess_ns, cost.parts_ns, cost.kernels) == (None, None, None)


def test_shapes_that_never_come_again_have_nothing_to_compare_with(tmp_path):
    scene = Scene(window_us=(0, 20_000))
    profile = scene.profile().load(10, 10).initialize(30, 60)
    scene.session(0, 0, 100)
    for number in range(6):
        steady(scene, profile, 1000 * (number + 1), number, shape=(number + 1, 3))
    (found,) = first_runs(scene.load(tmp_path))
    assert len(found.new_shapes) == 5
    assert {cost.excess_ns for cost in found.new_shapes} == {None}
    assert found.until_steady == 0, "all runs take the same time"


def test_early_runs_that_overlap_say_so(tmp_path):
    scene = Scene().session(0, 0, 100).hook("run", 1000, 500, session=0).hook("run", 1100, 500, session=0, thread=9)
    for number in range(3):
        scene.hook("run", 2000 + 100 * number, 10, session=0)
    (found,) = first_runs(scene.load(tmp_path))
    assert (found.until_steady, found.overlapping) == (2, True)
    assert [cost.parts_ns for cost in found.early] == [None, None], "nothing but the hooks watched"


def test_a_session_that_never_gets_steady(tmp_path):
    scene = Scene().session(0, 0, 100)
    for number, dur_us in enumerate((500, 10, 100, 10, 100)):
        scene.hook("run", 1000 * (number + 1), dur_us, session=0)
    (found,) = first_runs(scene.load(tmp_path))
    assert found.until_steady is None
    assert len(found.early) == 1


def test_after_a_first_run_that_raised_nothing_is_known(tmp_path):
    scene = Scene().session(0, 0, 100).hook("run", 1000, 500, session=0, error="RuntimeError")
    for number in range(3):
        scene.hook("run", 2000 + 100 * number, 10, session=0)
    (found,) = first_runs(scene.load(tmp_path))
    assert (found.early, found.excess_ns) == ((), None)


@pytest.mark.parametrize("name", captures.WATCHED)
def test_the_parts_of_real_first_runs_sum_up(name):
    for found in first_runs(captures.watched(name)):
        assert found.divided
        assert found.excess_ns == sum(cost.excess_ns for cost in found.early)
        for cost in found.early:
            assert_sums(cost)
            assert cost.kernels.only_here == 0, "nothing is tuned on this GPU"
            assert abs(cost.unexplained_ns) < 0.1 * cost.steady_ns


def test_the_first_runs_of_resnet():
    """Loading code takes 93.6 ms, launches included; CUPTI's records of it (61.6 ms) lie inside of the calls. The first
    run after the re-initialisation loads none. Both are host code of Conv, which the GPU waits for."""
    first, second = first_runs(captures.resnet())
    cold, again = first.early[0], second.early[0]
    assert (first.until_steady, second.until_steady) == (2, 2)
    loading_ns = cold.parts_ns[HostPart.MODULE_LOADING] + cold.parts_ns[HostPart.LAUNCH]
    assert loading_ns == pytest.approx(93.6e6, rel=0.01)
    assert again.parts_ns[HostPart.MODULE_LOADING] < 1e6
    assert again.node_host_ns["Conv"] > 0.95 * again.excess_ns
    assert [cost.arena_growth_bytes for cost in second.early] == [128 << 20, 256 << 20]


@settings(deadline=None, max_examples=15, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large))
@given(healthy_captures() | lossy_captures())
def test_the_parts_of_any_first_run_sum_up(capture):
    for found in first_runs(read(capture, "bundle")[0]):
        for cost in (*found.early, *found.new_shapes):
            assert_sums(cost)
