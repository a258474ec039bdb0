from __future__ import annotations

import captures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.device_idle import DeviceIdle, IdleCause
from ortprobe.timeline import NONE, Timeline

CAPTURES = [captures.resnet, captures.racy, captures.healthy]


def idle_of(timeline: Timeline) -> DeviceIdle:
    (device,) = Analyses(timeline).idle.devices
    return device


def causes(device: DeviceIdle) -> list[tuple[str, int]]:
    """(cause, length in µs) of all pieces, in time order."""
    return [(piece.cause.value, (piece.end_ns - piece.start_ns) // 1000) for gap in device.gaps for piece in gap.pieces]


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_idle_nanosecond_has_exactly_one_cause(capture):
    device = idle_of(capture())
    assert device.busy_ns + device.idle_ns == device.window_ns
    assert sum(device.idle_by_cause.values()) == device.idle_ns
    for gap in device.gaps:
        borders = [piece.start_ns for piece in gap.pieces] + [gap.pieces[-1].end_ns]
        assert borders[0] == gap.start_ns
        assert borders[-1] == gap.end_ns
        assert [piece.end_ns for piece in gap.pieces] == borders[1:]
        assert borders == sorted(borders)


@pytest.mark.parametrize("capture", CAPTURES)
def test_busy_time_is_that_of_a_union_by_hand(capture):
    timeline = capture()
    ops = timeline.device_ops.span
    busy_ns, reach_ns = 0, 0
    for start_ns, end_ns in sorted(
        zip(timeline.spans.start_ns[ops].tolist(), timeline.spans.end_ns[ops].tolist(), strict=True)
    ):
        busy_ns += max(end_ns - max(start_ns, reach_ns), 0)
        reach_ns = max(reach_ns, end_ns)
    assert idle_of(timeline).busy_ns == busy_ns


def test_the_first_pass_on_a_gpu_is_host_time_and_code_loading():
    device = idle_of(captures.resnet())
    assert device.idle_by_cause[IdleCause.ORT_HOST] > 400_000_000
    assert device.idle_by_cause[IdleCause.SESSION_INIT] > 100_000_000
    assert device.idle_by_cause[IdleCause.MODULE_LOADING] > 50_000_000


def test_work_that_took_no_time_at_all_leaves_nothing_to_be_idle_in(tmp_path):
    assert Analyses(Scene().kernel("k", 0, 0, 1).load(tmp_path)).idle.devices == ()


def test_a_late_launch_is_cut_along_the_call(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1).torch_op("aten::mul", 25, 10).launch("b", 40, 50, 10, 2)
    device = idle_of(scene.load(tmp_path))
    assert causes(device) == [
        ("launch-latency", 10), ("python", 5), ("torch-op", 10), ("python", 5), ("launch-latency", 10)
    ]  # fmt: skip


def test_what_a_piece_rests_on_can_be_shown(tmp_path):
    timeline = Scene().launch("a", 0, 10, 10, 1).torch_op("aten::mul", 20, 20).launch("b", 40, 50, 10, 2).load(tmp_path)
    gap = idle_of(timeline).gaps[1]
    assert timeline.name_of(gap.ended_by) == "b"
    assert [timeline.name_of(piece.because) for piece in gap.pieces] == ["aten::mul", "cudaLaunchKernel"]


def test_the_innermost_span_names_the_cause(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1).torch_op("aten::to", 20, 30)
    scene.call("cudaStreamSynchronize", 25, 10, 2).call("cudaMalloc", 40, 5, 3).launch("b", 50, 55, 5, 4)
    assert causes(idle_of(scene.load(tmp_path)))[1:] == [
        ("torch-op", 5), ("sync-wait", 10), ("torch-op", 5), ("allocation", 5), ("torch-op", 5), ("launch-latency", 5)
    ]  # fmt: skip


def test_making_a_session_outweighs_the_calls_it_consists_of(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1).call("cudaMalloc", 30, 10, 2).launch("b", 100, 110, 5, 3)
    scene.profile().load(20, 20).initialize(40, 40).run(90, 30).node("n", 95, 20)
    by_cause = idle_of(scene.load(tmp_path)).idle_by_cause
    assert by_cause[IdleCause.SESSION_INIT] == 60_000
    assert IdleCause.ALLOCATION not in by_cause


def test_code_that_loads_inside_a_launch_is_not_launch_latency(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1)
    scene.call("cudaLaunchKernel", 20, 50, 2).overhead("Lazy Function Loading", 25, 40).kernel("b", 75, 5, 2)
    assert causes(idle_of(scene.load(tmp_path)))[1:] == [
        ("launch-latency", 5), ("module-loading", 40), ("launch-latency", 10)
    ]  # fmt: skip


def test_a_node_on_the_cpu_is_told_from_a_node_on_the_gpu(tmp_path):
    scene = Scene().launch("a", 12, 20, 10, 1).launch("b", 62, 70, 10, 2)
    profile = scene.profile().run(5, 80)
    profile.node("gpu", 10, 20).node("cpu", 30, 25, provider="CPUExecutionProvider", index=1).node(
        "gpu2", 56, 20, index=2
    )
    by_cause = idle_of(scene.load(tmp_path)).idle_by_cause
    assert by_cause[IdleCause.CPU_NODE] == 25_000
    assert by_cause[IdleCause.ORT_HOST] == 7_000


@pytest.mark.parametrize("first", ["node", "subgraph"])
def test_a_node_that_is_all_of_its_subgraph_counts_and_not_the_subgraph(tmp_path, first):
    scene = Scene().launch("a", 12, 20, 10, 1).launch("b", 88, 95, 5, 2)
    profile = scene.profile().run(5, 100).node("If", 10, 70).node("n", 82, 10, index=2)
    for part in (first, "subgraph" if first == "node" else "node"):
        if part == "node":
            profile.node("cpu", 40, 25, provider="CPUExecutionProvider", index=1)
        else:
            profile.execute(40, 25)
    assert idle_of(scene.load(tmp_path)).idle_by_cause[IdleCause.CPU_NODE] == 25_000


def test_queued_work_says_what_the_device_waited_for(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1).launch("near", 2, 23, 7, 2)
    scene.call("cudaEventRecord", 3, 1, 3).launch("far", 5, 50, 10, 4)
    assert causes(idle_of(scene.load(tmp_path)))[1:] == [("back-to-back", 3), ("unattributed", 20)]


def test_a_stream_that_starts_when_the_awaited_work_ends_waited_for_it(tmp_path):
    scene = Scene().launch("producer", 0, 10, 40, 1, stream=7).call("cudaEventRecord", 3, 1, 2)
    scene.call("cudaStreamWaitEvent", 5, 1, 3).wait("Stream Wait Event", 5, 1, 3, stream=13, waited_stream=7, record=2)
    scene.launch("consumer", 8, 57, 10, 4, stream=13)
    assert causes(idle_of(scene.load(tmp_path)))[1:] == [("cross-stream-wait", 7)]


def test_a_stream_that_waits_for_a_waiting_stream_waits_for_what_that_waits_for(tmp_path):
    scene = Scene().launch("producer", 0, 10, 40, 1, stream=7).launch("early", 2, 11, 5, 2, stream=9)
    scene.launch("last", 200, 210, 5, 20, stream=9)
    for waiting, waited, record in ((9, 7, 3), (13, 9, 5)):
        scene.call("cudaEventRecord", record, 1, record).call("cudaStreamWaitEvent", record + 1, 1, record + 1)
        scene.wait("Stream Wait Event", record + 1, 1, record + 1, stream=waiting, waited_stream=waited, record=record)
    scene.launch("consumer", 8, 57, 10, 7, stream=13)
    assert causes(idle_of(scene.load(tmp_path)))[1] == ("cross-stream-wait", 7)


def test_a_stream_without_work_can_wait_for_a_waiting_stream(tmp_path):
    scene = Scene().launch("producer", 0, 10, 40, 1, stream=7).launch("other", 2, 60, 5, 2, stream=9)
    for waiting, waited, record in ((9, 7, 3), (13, 9, 5)):
        scene.call("cudaEventRecord", record, 1, record).call("cudaStreamWaitEvent", record + 1, 1, record + 1)
        scene.wait("Stream Wait Event", record + 1, 1, record + 1, stream=waiting, waited_stream=waited, record=record)
    assert [idle_ns for _, idle_ns in causes(idle_of(scene.load(tmp_path)))[1:]] == [10]


def test_a_copy_from_pageable_memory_is_staged_by_the_host(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1)
    scene.call("cudaMemcpyAsync", 30, 80, 2).memcpy("Memcpy HtoD (Pageable -> Device)", 60, 10, 2)
    scene.memcpy("Memcpy HtoD (Pageable -> Device)", 75, 10, 2).launch("b", 120, 125, 5, 3)
    assert causes(idle_of(scene.load(tmp_path)))[1:] == [
        ("python", 10), ("pageable-copy", 30), ("pageable-copy", 5), ("pageable-copy", 25), ("python", 10),
        ("launch-latency", 5),
    ]  # fmt: skip


def test_a_copy_to_pageable_memory_is_waited_for(tmp_path):
    scene = Scene().call("cudaMemcpyAsync", 0, 40, 1).memcpy("Memcpy DtoH (Device -> Pageable)", 10, 10, 1)
    scene.launch("b", 60, 65, 5, 2)
    assert causes(idle_of(scene.load(tmp_path)))[1:] == [("sync-wait", 20), ("python", 20), ("launch-latency", 5)]


@pytest.mark.parametrize(("name", "cause"), [("new", "module-loading"), ("a", "launch-latency")])
def test_a_long_launch_loads_code_only_if_it_is_the_first_of_its_kernel(tmp_path, name, cause):
    scene = Scene().launch("a", 0, 10, 10, 1).call("cudaLaunchKernel", 20, 500, 2).kernel(name, 518, 5, 2)
    assert causes(idle_of(scene.load(tmp_path)))[1:2] == [(cause, 498)]


def test_within_a_graph_nobody_launches(tmp_path):
    scene = Scene().call("cudaGraphLaunch", 0, 40, 1).kernel("a", 10, 10, 1).kernel("b", 28, 12, 1)
    assert causes(idle_of(scene.load(tmp_path)))[1:] == [("within-graph", 8)]


def test_a_copy_engine_hands_over_to_a_kernel(tmp_path):
    scene = Scene().call("cudaMemcpyAsync", 0, 3, 1).memcpy("Memcpy HtoD (Pinned -> Device)", 10, 30, 1)
    assert causes(idle_of(scene.launch("b", 5, 49, 5, 2).load(tmp_path)))[1:] == [("engine-switch", 9)]


def test_code_that_loads_on_one_thread_says_nothing_of_another(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1).call("cudaLaunchKernel", 15, 60, 2, thread=77).kernel("c", 200, 5, 2)
    scene.overhead("Lazy Function Loading", 18, 50).call("cudaMalloc", 30, 20, 3).launch("b", 80, 85, 5, 4)
    assert causes(idle_of(scene.load(tmp_path)))[1:5] == [
        ("python", 10), ("allocation", 20), ("python", 30), ("launch-latency", 5)
    ]  # fmt: skip


def test_work_that_starts_long_after_its_launch_returned_is_not_launch_latency_alone(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1).launch("b", 19, 90, 10, 2)
    assert causes(idle_of(scene.load(tmp_path)))[1:] == [("launch-latency", 11), ("unattributed", 59)]


def test_after_the_last_work_there_is_no_more(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1).torch_op("aten::item", 20, 30)
    device = idle_of(scene.load(tmp_path))
    assert causes(device)[-1] == ("no-more-work", 30)
    assert device.gaps[-1].ended_by == NONE


def test_devices_idle_apart(tmp_path):
    scene = Scene().launch("a", 0, 10, 10, 1).launch("b", 5, 10, 30, 2, device=1, stream=9)
    first, second = Analyses(scene.load(tmp_path)).idle.devices
    assert (first.device, second.device) == (0, 1)
    assert (first.busy_ns, second.busy_ns) == (10_000, 30_000)


def test_time_that_no_profiler_watched_is_not_idle(tmp_path):
    """Two traces of one program, 10 ms apart."""
    first = Scene().launch("a", 0, 10, 10, 1)
    second = Scene().launch("b", 10_000, 10_010, 10, 2)
    for number, scene in enumerate((first, second)):
        (tmp_path / str(number)).mkdir()
        scene.write_trace(tmp_path / str(number))
    from ortprobe.ingest import load_files

    timeline = load_files(ort=[], torch=[tmp_path / "0" / "torch-0.json", tmp_path / "1" / "torch-0.json"])
    device = idle_of(timeline)
    assert device.window_ns == 40_000
    assert device.idle_ns == 20_000
    assert device.end_ns - device.start_ns == 10_020_000


LATE_WORK = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 30), st.integers(0, 40), st.sampled_from([7, 13])),
    min_size=1,
    max_size=25,
)
CALLS = st.lists(
    st.tuples(
        st.integers(0, 900), st.integers(1, 60), st.sampled_from(["cudaMalloc", "cudaStreamSynchronize", "cudaFree"])
    ),
    max_size=10,
)


@settings(max_examples=40, deadline=None)
@given(work=LATE_WORK, calls=CALLS)
def test_pieces_cover_gaps_whatever_the_program_did(tmp_path_factory, work, calls):
    scene, now = Scene(), 0
    for correlation, (pause, length, latency, stream) in enumerate(work, start=1):
        now += pause + 2
        scene.launch("k", now, now + latency, length, correlation, stream=stream)
    for correlation, (start, length, name) in enumerate(calls, start=1000):
        scene.call(name, start, length, correlation)
    timeline = scene.load(tmp_path_factory.mktemp("scene"))
    device = idle_of(timeline)
    ops = timeline.device_ops.span
    start_ns, end_ns = timeline.spans.start_ns[ops], timeline.spans.end_ns[ops]
    ticks = np.arange(device.start_ns, device.end_ns, 1000)
    busy = ((start_ns[:, None] <= ticks) & (ticks < end_ns[:, None])).any(axis=0)
    pieces = device.columns
    covering = ((pieces.piece_start_ns[:, None] <= ticks) & (ticks < pieces.piece_end_ns[:, None])).sum(axis=0)
    assert (covering == ~busy).all()
    assert sum(device.idle_by_cause.values()) == device.idle_ns == int((~busy).sum()) * 1000
