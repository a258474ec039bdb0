from __future__ import annotations

import captures
import pytest
from hypothesis import HealthCheck, given, settings
from scene import Scene
from traces.reading import read
from traces.strategies import healthy_captures, lossy_captures

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.creations import CreationCost, Phase
from ortprobe.analysis.sessions.host_parts import HostPart
from ortprobe.timeline import Timeline


def creations(timeline: Timeline) -> list[CreationCost | None]:
    return [life.creation for life in Analyses(timeline).sessions.lives]


def assert_sums(cost: CreationCost) -> None:
    times = list((cost.phases or {}).values()) or [cost.whole]
    assert sum(time.length_ns for time in times) == cost.creation_ns == cost.whole.length_ns
    for time in (*times, cost.whole):
        assert time.unwatched_ns + sum(time.parts_ns.values()) == time.length_ns
        assert min((time.unwatched_ns, *time.parts_ns.values())) >= 0


def profiled() -> Scene:
    """A session made from 0 to 1000 µs: loading 100 to 200, initialising 300 to 900."""
    scene = Scene(window_us=(0, 1000))
    scene.profile().load(100, 100).initialize(300, 600)
    return scene.session(0, 0, 1000).hook("ortprobe.profiler_start", -20, 10)


def test_the_parts_of_a_creation(tmp_path):
    scene = profiled().call("cudaDeviceSynchronize", 210, 50, 1).call("cudaMalloc", 400, 30, 2)
    scene.call("cudaMemcpy", 500, 40, 3).memcpy("Memcpy HtoD (Pageable -> Device)", 510, 20, 3, size_bytes=4096)
    scene.call("cudaStreamCreateWithFlags", 600, 5, 4).call("cudaFuncGetAttributes", 700, 60, 5)
    scene.overhead("Runtime Triggered Module Loading", 705, 50).overhead("Activity Buffer Request", 950, 10)
    (cost,) = creations(scene.load(tmp_path))
    assert_sums(cost)
    us = {phase: time.length_ns // 1000 for phase, time in cost.phases.items()}
    assert us == {Phase.BEFORE: 100, Phase.LOAD: 100, Phase.PROVIDERS: 100, Phase.INITIALIZE: 600, Phase.AFTER: 100}
    assert cost.phases[Phase.PROVIDERS].parts_ns == {HostPart.WAIT: 50_000, HostPart.OUTSIDE: 50_000}
    assert cost.phases[Phase.INITIALIZE].parts_ns == {
        HostPart.OUTSIDE: 465_000, HostPart.MODULE_LOADING: 60_000, HostPart.COPY: 40_000,
        HostPart.ALLOCATION: 30_000, HostPart.HANDLE: 5_000,
    }  # fmt: skip
    assert cost.phases[Phase.AFTER].unwatched_ns == 40_000, "the trace ends with its last record"
    assert cost.phases[Phase.AFTER].parts_ns == {HostPart.OUTSIDE: 50_000, HostPart.PROFILER: 10_000}
    assert (cost.upload.copies, cost.upload.call_ns, cost.upload.device_ns) == (1, 40_000, 20_000)
    assert (cost.upload.pageable_bytes, cost.upload.pinned_bytes) == (4096, 0)


def test_making_a_session_waits_for_the_work_of_others(tmp_path):
    scene = profiled().launch("other", 20, 30, 225, 9).call("cudaDeviceSynchronize", 210, 50, 1)
    scene.wait("Context Sync", 210, 50, 1).call("cudaMalloc", 950, 1, 2)
    (cost,) = creations(scene.load(tmp_path))
    assert (cost.drain.calls, cost.drain.call_ns, cost.drain.stall_ns) == (1, 50_000, 45_000)


def test_calls_of_other_threads_are_not_the_creation_s(tmp_path):
    scene = profiled().call("cudaMalloc", 400, 30, 2, thread=9).call("cudaMalloc", 950, 10, 3, thread=9)
    (cost,) = creations(scene.load(tmp_path))
    assert cost.phases[Phase.INITIALIZE].parts_ns == {HostPart.OUTSIDE: 600_000}


def test_without_a_profile_the_phases_are_not_known(tmp_path):
    (cost,) = creations(Scene().session(0, 0, 100).load(tmp_path))
    assert cost.phases is None
    assert (cost.upload, cost.drain) == (None, None)
    assert cost.whole.unwatched_ns == cost.creation_ns == 100_000
    assert_sums(cost)


def test_without_a_trace_the_phases_are_known_and_their_parts_are_not(tmp_path):
    scene = Scene()
    scene.profile().load(100, 100).initialize(300, 600)
    (cost,) = creations(scene.session(0, 0, 1000).load(tmp_path))
    assert cost.phases[Phase.INITIALIZE].unwatched_ns == 600_000
    assert cost.upload is None
    assert_sums(cost)


@pytest.mark.parametrize("name", captures.WATCHED)
def test_the_parts_of_real_creations_sum_up(name):
    for cost in creations(captures.watched(name)):
        assert_sums(cost)


def test_the_re_initialisation_of_resnet():
    """As measured on the H100: 14 ms of it are CUDA calls, 11 of those upload the weights from pageable memory."""
    _, cost = creations(captures.resnet())
    in_calls_ns = sum(ns for part, ns in cost.whole.parts_ns.items() if part is not HostPart.OUTSIDE)
    assert 14_000_000 < in_calls_ns < 15_000_000
    assert (cost.upload.copies, cost.upload.call_ns) == (61, 11_007_586)
    assert cost.upload.size_bytes == cost.upload.pageable_bytes == 102_031_776
    assert (cost.drain.calls, cost.drain.stall_ns) == (1, 0)


@settings(deadline=None, max_examples=15, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large))
@given(healthy_captures() | lossy_captures())
def test_the_parts_of_any_creation_sum_up(capture):
    for cost in creations(read(capture, "bundle")[0]):
        if cost is not None:
            assert_sums(cost)
