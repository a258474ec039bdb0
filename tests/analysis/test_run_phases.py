from __future__ import annotations

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.runs.run_phases import BY_LAUNCHES, BY_PROFILE, DividedBy
from ortprobe.ingest import load_bundle
from ortprobe.timeline import NONE


def all_captures() -> list[Analyses]:
    bundles = [load_bundle(captures.DATA / f"h100-{name}.ortprobe") for name in ("graph", "flow")]
    timelines = [captures.resnet(), captures.racy(), captures.healthy(), captures.service(), *bundles]
    examples = [captures.example(name) for name in ("healthy", "missing-wait", "set-providers")]
    return [*map(Analyses, timelines), *examples]


def test_phases_sum_to_the_latency_of_every_run_of_every_recording():
    divided = 0
    for analyses in all_captures():
        phases, latency_ns = analyses.phases, analyses.runs.latency_ns.tolist()
        for run in range(len(latency_ns)):
            for found in (phases.of(run), phases.measured(run, BY_PROFILE), phases.measured(run, BY_LAUNCHES)):
                if len(found) > 2:
                    assert sum(found.values()) == latency_ns[run]
                    assert min(found.values()) >= 0
                    divided += 1
    assert divided > 400


def test_a_replayed_cuda_graph_is_divided_by_its_launch():
    analyses = Analyses(load_bundle(captures.DATA / "h100-graph.ortprobe"))
    watched = np.flatnonzero(analyses.runs.device_busy_ns != NONE)[1:]
    assert (analyses.phases.divided_by[watched] == DividedBy.LAUNCHES).all()
    assert (analyses.phases.drain_ns[watched] > 0.8 * analyses.runs.device_busy_ns[watched]).all()


def traced_run() -> Scene:
    """The call lasts from 100 to 220, model_run from 110 to 210, Execute from 111 to 131, and a kernel to 160."""
    scene = Scene(window_us=(0, 1000))
    profile = scene.profile()
    profile.run(110, 100).node("n", 112, 10)
    profile.events[-2]["dur"] = 20
    scene.session(0, 0, 5).hook("run", 100, 120, session=0, attached=3)
    return scene.launch("n", 113, 116, 44, 1)


def test_waiting_and_copying_at_the_end_are_told_apart(tmp_path):
    scene = traced_run().call("cudaStreamSynchronize", 140, 23, 2).wait("Stream Sync", 140, 23, 2, stream=7)
    scene.call("cudaMemcpyAsync", 170, 20, 3).memcpy("Memcpy DtoH (Device -> Pageable)", 172, 10, 3)
    analyses = Analyses(scene.load(tmp_path))
    assert {phase.value: time_ns // 1000 for phase, time_ns in analyses.phases.of(0).items()} == {
        "host_before": 10, "input_copies": 1, "execute": 20, "drain": 20, "output_copies": 20, "finish": 39,
        "host_after": 10,
    }  # fmt: skip


def test_a_copy_that_waits_for_the_kernel_in_front_of_it_drains_until_then(tmp_path):
    scene = traced_run().call("cudaMemcpyAsync", 140, 35, 3).memcpy("Memcpy DtoH (Device -> Pageable)", 162, 10, 3)
    phases = Analyses(scene.load(tmp_path)).phases
    assert (phases.drain_ns[0], phases.output_copies_ns[0]) == (20_000, 15_000)


def test_after_a_wait_that_is_not_resolved_only_the_whole_is_known(tmp_path):
    analyses = Analyses(traced_run().call("cudaEventSynchronize", 140, 23, 2).load(tmp_path))
    assert analyses.phases.drain_ns[0] == NONE
    assert sum(analyses.phases.of(0).values()) == analyses.runs.latency_ns[0]
    assert analyses.phases.after_execute_ns[0] == 79_000


def test_the_period_is_from_start_to_start_on_the_same_thread(tmp_path):
    scene, thread = Scene().session(0, 0, 5), {"thread": 77}
    for number in range(4):
        scene.hook("run", 100 + number * 50, 10, session=0).hook("run", 120 + number * 70, 10, session=0, **thread)
    runs = Analyses(scene.load(tmp_path)).runs
    assert sorted(runs.period_ns.tolist()) == [NONE, NONE, *[50_000] * 3, *[70_000] * 3]


@pytest.mark.parametrize("attached", [[0, 0, 0, 2, 2, 2]])
def test_a_period_in_which_the_profiler_was_started_is_in_no_statistic(tmp_path, attached):
    scene, at_us = Scene().session(0, 0, 5), 100
    for before, kind in zip([attached[0], *attached], attached, strict=False):
        at_us += 100 if kind == before else 100_000
        scene.hook("run", at_us, 10, session=0, attached=kind)
    runs = Analyses(scene.load(tmp_path)).runs
    assert runs.period.max_ns == 100_000
    assert {kind: spread.count for kind, spread in runs.period_by_attached.items()} == {0: 1, 2: 2}
