"""Several processes of one machine on one Timeline: each is there as it is alone, and none is taken for another."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from captures import DATA, RACE
from commands import ortprobe
from msgspec.structs import replace
from scene import PROCESS, Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.bundle import Manifest
from ortprobe.bundle.manifest import MANIFEST_NAME
from ortprobe.ingest import load_bundle, load_bundles, load_files
from ortprobe.timeline import NONE, Kind, ProblemKind, Timeline, own_stream

BUNDLES = [DATA / "h100-examples" / f"{name}.ortprobe" for name in ("healthy", "set-providers")]


@pytest.fixture(scope="module")
def alone() -> list[Timeline]:
    return [load_bundle(bundle) for bundle in BUNDLES]


@pytest.fixture(scope="module")
def together() -> Timeline:
    return load_bundles(BUNDLES)


def linked(timeline: Timeline, process: int) -> set[tuple[object, ...]]:
    """Every span of a process with its name, time, and the rows in their files of its launch and node's execution."""
    spans, links, sources = timeline.spans, timeline.links, timeline.sources
    own = [number for number, source in enumerate(sources) if source.process == process]
    chosen = np.flatnonzero(np.isin(spans.source, own)).tolist()

    def place(span: int) -> object:
        return None if span == NONE else (sources[spans.source[span]].path, int(spans.row[span]))

    return {
        (
            place(span), timeline.name_of(span), int(spans.start_ns[span]), int(spans.end_ns[span]),
            timeline.lane_of(span).label, own_stream(timeline.lane_of(span).stream), place(int(links.launch[span])),
            place(int(links.node_span[span])), int(links.node_by[span]), int(links.run_by[span]),
        )
        for span in chosen
    }  # fmt: skip


def test_each_process_is_there_as_it_is_alone(alone, together):
    assert together.capture.processes == len(alone)
    for timeline in alone:
        process = timeline.capture.process
        assert linked(together, process) == linked(timeline, process)
    assert len(together.spans) == sum(len(timeline.spans) for timeline in alone)
    assert len(together.runs) == sum(len(timeline.runs) for timeline in alone)


def on_gpus(folder: Path, *uuids: str) -> list[Path]:
    """Both bundles, each made on a GPU of its own that it calls its device 0; without a UUID nobody noted which."""
    made = []
    for bundle, uuid in zip(BUNDLES, uuids, strict=True):
        copy = Path(shutil.copytree(bundle, folder / f"{uuid or 'unknown'}-{bundle.name}"))
        manifest = msgspec.json.decode((copy / MANIFEST_NAME).read_bytes(), type=Manifest)
        devices = tuple(replace(device, uuid=uuid) for device in manifest.environment.devices)
        changed = replace(manifest, environment=replace(manifest.environment, devices=devices))
        (copy / MANIFEST_NAME).write_bytes(msgspec.json.encode(changed))
        made.append(copy)
    return made


def test_two_gpus_with_one_number_are_not_added_up(tmp_path):
    timeline = load_bundles(on_gpus(tmp_path, "one", "other"))
    (problem,) = (each for each in timeline.problems if each.kind is ProblemKind.DEVICES_MIXED)
    assert problem.detail.startswith("GPU 0 of process ")
    assert {Claim.GPU_TIME, Claim.IDLE} <= {each.claim for each in Analyses(timeline).integrity.objections}


@pytest.mark.parametrize("uuids", [("one", "one"), ("one", ""), ("", "")])
def test_one_gpu_or_one_that_nobody_knows_is_no_problem(tmp_path, uuids):
    timeline = load_bundles(on_gpus(tmp_path, *uuids))
    assert ProblemKind.DEVICES_MIXED not in {each.kind for each in timeline.problems}


def test_sessions_and_what_they_replace_are_numbered_through(alone, together):
    assert [session.index for session in together.sessions] == list(range(len(together.sessions)))
    assert [session.process for session in together.sessions] == [
        timeline.capture.process for timeline in alone for _ in timeline.sessions
    ]
    replaced = [session for session in together.sessions if session.replaces is not None]
    assert [(one.process, together.sessions[one.replaces].process) for one in replaced] == [
        (alone[1].capture.process, alone[1].capture.process)
    ]
    of_runs = {together.lanes[lane].process for lane in together.runs.lane[together.runs.session == replaced[0].index]}
    assert of_runs == {alone[1].capture.process}


def test_waits_of_each_process_are_what_they_are_alone(alone, together):
    def stalls(timeline: Timeline) -> list[tuple[object, ...]]:
        return sorted(
            (wait.start_ns, wait.name, wait.stall_ns or 0, tuple(map(own_stream, wait.waited_streams)))
            for wait in Analyses(timeline).waits.rows()
        )

    assert stalls(together) == sorted(one for timeline in alone for one in stalls(timeline))


def test_a_process_waits_for_its_own_streams_alone(tmp_path):
    """Both use stream 7 of one device; the second's kernel runs when the first one's wait for the device returns."""
    first = Scene().hook("run", 0, 5).launch("mine", 10, 20, 30, 1).call("cudaDeviceSynchronize", 40, 15, 2)
    first.wait("Context Sync", 40, 15, 2)
    second = Scene().hook("run", 0, 5).launch("others", 10, 20, 500, 1)
    bundles = [first.write_bundle(tmp_path / "first.ortprobe"), second.write_bundle(tmp_path / "second.ortprobe")]
    edit_manifest(bundles[1], process=PROCESS + 1)
    trace = bundles[1] / "torch-0.json"
    trace.write_text(re.sub(rf'"pid":\s*{PROCESS}\b', f'"pid": {PROCESS + 1}', trace.read_text()))
    timeline = load_bundles(bundles)
    (wait,) = Analyses(timeline).waits.rows()
    assert timeline.name_of(wait.work) == "mine"
    assert ProblemKind.WORK_AFTER_SYNC not in {problem.kind for problem in timeline.problems}


def test_the_same_session_in_two_processes_is_not_built_again(tmp_path):
    def process(start_us: int) -> Scene:
        scene = Scene().session(0, start_us, 50, model_path="m.onnx", providers=("CPUExecutionProvider",))
        return scene.hook("run", start_us + 60, 5, session=0).release(0, start_us + 80)

    bundles = [process(at_us).write_bundle(tmp_path / f"{at_us}.ortprobe") for at_us in (0, 200)]
    edit_manifest(bundles[1], process=PROCESS + 1)
    assert [life.repeats for life in Analyses(load_bundles(bundles)).sessions.lives] == [None, None]


def test_bindings_and_events_are_numbered_through_and_those_of_cupti_stay(tmp_path):
    bundles = []
    for name in ("first", "second"):
        scene = Scene().launch("k", 0, 5, 3, 1).hook("event.record", 0, 1, event=0).hook("event.record", 2, 1, event=4)
        scene.hook("bind_input", 4, 1, binding=1).wait("Event Sync", 40, 15, 2)
        bundles.append(scene.write_bundle(tmp_path / f"{name}.ortprobe"))
    edit_manifest(bundles[1], process=PROCESS + 1)
    timeline = load_bundles(bundles)
    assert sorted(timeline.hooks.event.tolist()) == [NONE, NONE, 0, 4, 5, 9]
    assert sorted(timeline.hooks.binding.tolist()) == [NONE] * 4 + [1, 3]
    assert timeline.waits.event.tolist() == [1, 1]


def test_bundles_that_share_no_clock_are_doubted(tmp_path):
    bundles = [Scene().hook("run", 0, 5).write_bundle(tmp_path / f"{name}.ortprobe") for name in ("first", "other")]
    assert ProblemKind.CLOCK_DOUBT not in {problem.kind for problem in load_bundles(bundles).problems}
    manifest = msgspec.json.decode((bundles[1] / "manifest.json").read_bytes(), type=Manifest)
    another_boot = msgspec.structs.replace(manifest.clock, monotonic_ns=manifest.clock.monotonic_ns + 10**12)
    edit_manifest(bundles[1], clock=another_boot)
    (doubt,) = [one for one in load_bundles(bundles).problems if one.kind is ProblemKind.CLOCK_DOUBT]
    assert "other.ortprobe and first.ortprobe" in doubt.detail


def test_bare_files_are_told_apart_by_process(tmp_path):
    of_both = load_files(
        ort=[RACE / "racy_ort.json.gz", RACE / "healthy_ort.json.gz"],
        torch=[RACE / "healthy_kineto.json.gz", RACE / "racy_kineto.json.gz"],
    )
    assert of_both.capture.processes == 2
    for name in ("racy", "healthy"):
        one = load_files(ort=[RACE / f"{name}_ort.json.gz"], torch=[RACE / f"{name}_kineto.json.gz"])
        (process,) = {session.process for session in one.sessions}
        assert linked(of_both, process) == linked(one, process)
    kernels = of_both.spans.of_kind(Kind.KERNEL)
    of_ort = kernels[of_both.links.run[kernels] != NONE]
    assert (of_both.links.node[of_ort] != NONE).all()


def test_several_bundles_make_one_report(tmp_path):
    done = ortprobe("report", *BUNDLES, "-o", "both.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "S1" in done.stderr
    assert "Processes on one timeline" in (tmp_path / "both.html").read_text()


def edit_manifest(bundle, **fields):
    path = bundle / "manifest.json"
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, **fields)))
