from __future__ import annotations

import captures
import pytest
from scene import Scene, at_ns

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.waits.wait_times import Wait, Waiter
from ortprobe.timeline import NONE, Timeline


def waits_of(timeline: Timeline) -> tuple[Wait, ...]:
    return tuple(Analyses(timeline).waits.rows())


def only(scene: Scene, folder) -> Wait:
    (wait,) = waits_of(scene.load(folder))
    return wait


def stream_sync(scene: Scene, start_us: float, dur_us: float, correlation: int, stream: int = 7) -> Scene:
    scene.call("cudaStreamSynchronize", start_us, dur_us, correlation)
    return scene.wait("Stream Sync", start_us, dur_us, correlation, stream=stream)


def test_a_synchronisation_stalls_as_long_as_work_is_outstanding(tmp_path):
    scene = stream_sync(Scene().launch("k", 0, 10, 50, 1), 20, 45, 2)
    wait = only(scene, tmp_path)
    assert (wait.waiter, wait.name, wait.waited_streams) == (Waiter.HOST, "cudaStreamSynchronize", (7,))
    assert wait.stall_ns == 40_000
    assert wait.end_ns - wait.start_ns == 45_000


def test_a_synchronisation_with_nothing_outstanding_stalls_nobody(tmp_path):
    wait = only(stream_sync(Scene().launch("k", 0, 10, 5, 1), 20, 45, 2), tmp_path)
    assert (wait.stall_ns, wait.waited_streams, wait.work) == (0, (), NONE)


def test_work_of_another_stream_is_not_waited_for_by_a_stream_synchronisation(tmp_path):
    wait = only(stream_sync(Scene().launch("k", 0, 10, 50, 1, stream=13), 20, 45, 2, stream=7), tmp_path)
    assert wait.stall_ns == 0


def test_work_launched_later_by_another_thread_is_not_waited_for(tmp_path):
    scene = Scene().launch("k", 0, 10, 20, 1).launch("later", 25, 30, 50, 3, thread=99)
    wait = only(stream_sync(scene, 20, 60, 2), tmp_path)
    assert wait.stall_ns == 10_000


def test_a_device_synchronisation_waits_for_all_streams(tmp_path):
    scene = Scene().launch("a", 0, 10, 30, 1, stream=7).launch("b", 3, 10, 60, 2, stream=13)
    scene.call("cudaDeviceSynchronize", 20, 55, 3).wait("Context Sync", 20, 55, 3)
    timeline = scene.load(tmp_path)
    (wait,) = waits_of(timeline)
    assert set(wait.waited_streams) == {7, 13}
    assert wait.stall_ns == 50_000
    assert timeline.name_of(wait.work) == "b"


def test_an_event_is_waited_for_up_to_its_recording(tmp_path):
    scene = Scene().launch("before", 0, 10, 30, 1).call("cudaEventRecord", 3, 1, 2).launch("after", 5, 40, 100, 3)
    scene.call("cudaEventSynchronize", 20, 25, 4).wait("Event Sync", 20, 25, 4, waited_stream=7, record=2)
    timeline = scene.load(tmp_path)
    (wait,) = waits_of(timeline)
    assert timeline.name_of(wait.work) == "before"
    assert wait.stall_ns == 20_000


@pytest.mark.parametrize(("query", "record"), [("cudaEventQuery", "Event Sync"), ("cudaStreamQuery", "Stream Sync")])
def test_a_query_is_no_wait(tmp_path, query, record):
    """CUPTI 12.9 and later write a record for each query, whether the work was done or not."""
    scene = Scene().launch("k", 0, 10, 30, 1).call(query, 20, 2, 2).wait(record, 20, 2, 2, stream=7)
    assert waits_of(scene.load(tmp_path)) == ()


def test_a_stream_is_held_back_from_when_it_was_ready_to_the_end_of_the_awaited_work(tmp_path):
    scene = Scene().launch("producer", 0, 10, 90, 1, stream=7).call("cudaEventRecord", 3, 1, 2)
    scene.launch("own", 5, 10, 20, 3, stream=13)
    scene.call("cudaStreamWaitEvent", 8, 1, 4).wait("Stream Wait Event", 8, 1, 4, stream=13, waited_stream=7, record=2)
    scene.launch("consumer", 12, 102, 10, 5, stream=13)
    timeline = scene.load(tmp_path)
    (wait,) = waits_of(timeline)
    assert (wait.waiter, wait.waited_streams) == (Waiter.STREAM, (7,))
    assert wait.stall_ns == 70_000
    assert (timeline.name_of(wait.work), timeline.name_of(wait.held)) == ("producer", "consumer")
    assert timeline.lanes[wait.waiter_lane].stream == 13


def test_a_stream_without_anything_to_do_is_not_held_back(tmp_path):
    """The work behind the wait is launched when the awaited work is long done."""
    scene = Scene().launch("producer", 0, 10, 20, 1, stream=7).call("cudaEventRecord", 3, 1, 2)
    scene.call("cudaStreamWaitEvent", 8, 1, 3).wait("Stream Wait Event", 8, 1, 3, stream=13, waited_stream=7, record=2)
    wait = only(scene.launch("consumer", 200, 210, 10, 4, stream=13), tmp_path)
    assert wait.stall_ns == 0


def test_an_unresolved_wait_is_not_measured(tmp_path):
    scene = Scene().launch("k", 0, 10, 20, 1, stream=13)
    scene.call("cudaStreamWaitEvent", 8, 1, 3).wait("Stream Wait Event", 8, 1, 3, stream=13)
    analyses = Analyses(scene.load(tmp_path))
    assert [wait.stall_ns for wait in analyses.waits.rows()] == [None]
    assert analyses.waits.unresolved == 1


def test_calls_without_records_are_waits_all_the_same(tmp_path):
    scene = Scene().launch("k", 0, 10, 50, 1).call("cudaStreamSynchronize", 20, 45, 2)
    scene.call("cudaDeviceSynchronize", 70, 5, 3).call("cudaStreamWaitEvent", 80, 1, 4)
    waits = waits_of(scene.load(tmp_path))
    assert [(wait.name, wait.stall_ns) for wait in waits] == [
        ("cudaStreamSynchronize", None), ("cudaDeviceSynchronize", 0), ("cudaStreamWaitEvent", None)
    ]  # fmt: skip


def test_a_copy_to_the_host_holds_its_caller(tmp_path):
    scene = Scene().call("cudaMemcpy", 0, 50, 1).memcpy("Memcpy DtoH (Device -> Pageable)", 10, 35, 1)
    scene.call("cudaMemcpyAsync", 60, 2, 2).memcpy("Memcpy DtoH (Device -> Pinned)", 65, 5, 2)
    scene.call("cudaMemcpy", 80, 5, 3).memcpy("Memcpy HtoD (Pageable -> Device)", 81, 5, 3)
    wait = only(scene, tmp_path)
    assert (wait.name, wait.start_ns, wait.stall_ns) == ("cudaMemcpy", at_ns(0), 45_000)


def test_a_graph_with_a_copy_in_it_holds_nobody(tmp_path):
    scene = Scene().call("cudaGraphLaunch", 0, 5, 1).kernel("k", 10, 20, 1)
    assert waits_of(scene.memcpy("Memcpy DtoH (Device -> Pinned)", 30, 5, 1).load(tmp_path)) == ()


def test_resolution_on_real_captures():
    unresolved = Analyses(captures.resnet()).waits
    assert unresolved.unresolved == 10
    assert {wait.name for wait in unresolved.rows() if wait.stall_ns is None} == {"cudaStreamWaitEvent"}
    assert Analyses(captures.healthy()).waits.unresolved == 0


def test_the_healthy_program_waits_between_streams_and_the_racy_one_does_not():
    def held_back(timeline: Timeline) -> int:
        return sum(wait.waiter is Waiter.STREAM and bool(wait.stall_ns) for wait in waits_of(timeline))

    # Six rounds; in the first one launching takes so long that the copy is over before.
    assert held_back(captures.healthy()) == 5
    assert held_back(captures.racy()) == 0
