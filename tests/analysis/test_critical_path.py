from __future__ import annotations

import captures
import numpy as np
import pytest
from hypothesis import given, settings
from loops import PlayedLoop
from scene import Scene
from test_what_if import PLANS

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.idle.causes import CAUSES
from ortprobe.analysis.path.critical_path import PATH_KINDS, CriticalPaths, PathKind
from ortprobe.analysis.path.dependencies import HeldBy
from ortprobe.ingest import load_bundle


def run_of(start_us: float, length_us: float, *, thread: int | None = None) -> Scene:
    """One run under torch's profiler."""
    more = {} if thread is None else {"thread": thread}
    return (
        Scene(window_us=(0, 10_000)).session(0, -50, 5).hook("run", start_us, length_us, session=0, attached=2, **more)
    )


def path_of(scene: Scene, folder) -> list[tuple[str, int]]:
    """(kind, or what the host was doing; µs) of the pieces of the only run, in time order."""
    paths = Analyses(scene.load(folder)).critical_paths
    return [
        (CAUSES[cause].value if PATH_KINDS[kind] is PathKind.HOST else PATH_KINDS[kind].value, (end - start) // 1000)
        for kind, cause, start, end in zip(
            paths.kind.tolist(), paths.cause.tolist(), paths.start_ns.tolist(), paths.end_ns.tolist(), strict=True
        )
    ]


def assert_divided(analyses: Analyses, paths: CriticalPaths) -> int:
    """Every watched run is covered by its pieces, one behind another."""
    runs, watched = analyses.timeline.runs, np.flatnonzero(gpu_traced(analyses.timeline))
    assert set(paths.run.tolist()) == set(watched.tolist())
    for run in watched.tolist():
        mine = paths.run == run
        borders = [*paths.start_ns[mine].tolist(), int(paths.end_ns[mine][-1])]
        assert borders[0] == runs.start_ns[run]
        assert borders[-1] == runs.end_ns[run]
        assert paths.end_ns[mine].tolist() == borders[1:]
        assert borders == sorted(borders)
    return len(watched)


def test_pieces_follow_one_another_over_every_run_of_every_recording():
    timelines = [load_bundle(captures.DATA / f"h100-{name}.ortprobe") for name in ("graph", "flow", "service")]
    recorded = [captures.example(name) for name in ("healthy", "missing-wait", "set-providers")]
    recorded += [Analyses(timeline) for timeline in (*timelines, captures.resnet(), captures.racy())]
    assert sum(assert_divided(analyses, analyses.critical_paths) for analyses in recorded) > 200


@settings(max_examples=40, deadline=None)
@given(plan=PLANS)
def test_pieces_follow_one_another_whatever_the_loop(tmp_path_factory, plan):
    analyses = Analyses(PlayedLoop(plan).scene.load(tmp_path_factory.mktemp("loop")))
    assert assert_divided(analyses, analyses.critical_paths) == plan.runs + 2
    assert not (analyses.critical_paths.kind == PATH_KINDS.index(PathKind.UNEXPLAINED)).any()


def test_from_a_wait_back_over_the_kernel_to_its_launch(tmp_path):
    scene = run_of(0, 100).launch("k", 10, 20, 40, 1)
    scene.call("cudaStreamSynchronize", 15, 50, 2).wait("Stream Sync", 15, 50, 2, stream=7)
    assert path_of(scene, tmp_path) == [
        ("ort-host", 10), ("launch", 10), ("device", 40), ("return", 5), ("ort-host", 35)
    ]  # fmt: skip


def test_a_run_that_waits_for_nothing_is_the_hosts(tmp_path):
    assert path_of(run_of(0, 50).launch("k", 10, 20, 200, 1), tmp_path) == [("ort-host", 50)]


def test_queued_kernels_lead_to_the_first_of_them(tmp_path):
    scene = run_of(0, 220).launch("a", 10, 20, 100, 1).launch("b", 14, 121, 80, 2)
    scene.call("cudaStreamSynchronize", 20, 185, 3).wait("Stream Sync", 20, 185, 3, stream=7)
    assert path_of(scene, tmp_path) == [
        ("ort-host", 10), ("launch", 10), ("device", 100), ("stream-gap", 1), ("device", 80), ("return", 4),
        ("ort-host", 15),
    ]  # fmt: skip


def test_an_event_leads_to_the_other_stream(tmp_path):
    scene = run_of(0, 200).launch("producer", 10, 20, 100, 1, stream=7).call("cudaEventRecord", 13, 1, 2)
    scene.call("cudaStreamWaitEvent", 15, 1, 3).wait(
        "Stream Wait Event", 15, 1, 3, stream=13, waited_stream=7, record=2
    )
    scene.launch("consumer", 18, 122, 30, 4, stream=13)
    scene.call("cudaStreamSynchronize", 22, 136, 5).wait("Stream Sync", 22, 136, 5, stream=13)
    assert path_of(scene, tmp_path) == [
        ("ort-host", 10), ("launch", 10), ("device", 100), ("event-gap", 2), ("device", 30), ("return", 6),
        ("ort-host", 42),
    ]  # fmt: skip


def test_work_that_another_thread_launched_leads_to_that_thread(tmp_path):
    scene = run_of(0, 200).torch_op("aten::mm", 5, 20, thread=99).launch("theirs", 12, 22, 100, 1, thread=99)
    scene.call("cudaDeviceSynchronize", 15, 112, 2).wait("Context Sync", 15, 112, 2)
    assert path_of(scene, tmp_path) == [
        ("python", 5), ("torch-op", 7), ("launch", 10), ("device", 100), ("return", 5), ("ort-host", 73)
    ]  # fmt: skip


def test_work_without_its_launch_ends_what_can_be_told(tmp_path):
    scene = run_of(0, 100).kernel("k", 12, 48, 1)
    scene.call("cudaStreamSynchronize", 15, 50, 2).wait("Stream Sync", 15, 50, 2, stream=7)
    assert path_of(scene, tmp_path) == [("unexplained", 12), ("device", 48), ("return", 5), ("ort-host", 35)]


def test_waits_that_lead_round_in_a_circle_end_somewhere(tmp_path):
    """Two streams that wait for each other's later work, as older Kineto versions write it, all at one time."""
    scene = run_of(0, 100)
    for number, (own, other) in enumerate(((7, 13), (13, 7))):
        scene.call("cudaStreamWaitEvent", 10, 1, 10 + number)
        scene.wait("Stream Wait Event", 10, 1, 10 + number, stream=own, waited_stream=other, record=40)
    for number, stream in enumerate((7, 13)):
        scene.launch("k", 12, 60, 0, 20 + number, stream=stream)
    scene.call("cudaDeviceSynchronize", 20, 50, 50).wait("Context Sync", 20, 50, 50)
    analyses = Analyses(scene.load(tmp_path))
    assert assert_divided(analyses, analyses.critical_paths) == 1


def test_work_begun_before_the_run_counts_from_the_runs_start(tmp_path):
    scene = run_of(50, 100).launch("long", 10, 20, 100, 1)
    scene.call("cudaStreamSynchronize", 60, 63, 2).wait("Stream Sync", 60, 63, 2, stream=7)
    assert path_of(scene, tmp_path) == [("device", 70), ("return", 3), ("ort-host", 27)]


@pytest.mark.parametrize("name", ["healthy", "missing-wait", "set-providers"])
def test_most_work_of_recordings_begins_when_what_held_it_lets_go(name):
    """Nine of ten pieces within 10 µs of what the latencies of the capture say."""
    dependencies = captures.example(name).dependencies
    known = dependencies.held_by != HeldBy.UNKNOWN
    assert known.mean() > 0.99
    assert (np.abs(dependencies.late_ns[known]) < 10_000).mean() > 0.9


def test_shares_sum_to_what_the_runs_took():
    shares = captures.example("missing-wait").path_shares
    assert shares is not None
    assert sum(shares.by_kind.values()) == shares.latency_ns
    assert sum(shares.host_by_cause.values()) == shares.by_kind[PathKind.HOST]
    assert sum(shares.device_by_node.values()) == shares.by_kind[PathKind.DEVICE]
