"""Programs on two H200, in one process and in two, under Nsight Systems and by ortprobe's own capture: nothing of one
GPU or process is taken for another's. `tests/benchmarks/two_gpus.py` runs a session 20 times on each GPU."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from captures import DATA

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.analysis.waits.waited_devices import waited_devices
from ortprobe.ingest import load_bundle, load_bundles, load_files
from ortprobe.rules import Severity, judge
from ortprobe.timeline import NONE, Kind, ProblemKind, Timeline, WaitKind, own_stream

RECORDED = DATA / "h200-two-gpus"
NODES_A_RUN, RUNS = 41, 20
"""Kernels of ONNX nodes in a run; runs on each GPU."""


def bundles(name: str, folder: Path) -> list[Path]:
    """The bundles of a recording's processes, unpacked."""
    with zipfile.ZipFile(RECORDED / f"{name}-nsys.zip") as packed:
        packed.extractall(folder / f"{name}.ortprobe")
    return [folder / f"{name}.ortprobe", *sorted((folder / f"{name}.ortprobe").glob("children/*"))]


def export(name: str) -> list[Path]:
    return [RECORDED / f"{name}.sqlite.gz"]


@pytest.fixture(scope="module")
def turns() -> Timeline:
    """One process, one thread, one GPU after the other."""
    return load_bundle(RECORDED / "turns-nsys.zip", nsys=export("turns"))


@pytest.fixture(scope="module")
def own_turns() -> Timeline:
    return load_bundle(RECORDED / "turns-own.zip")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def processes(folder) -> Timeline:
    """A process for each GPU."""
    return load_bundles(bundles("processes", folder), nsys=export("processes"))


@pytest.fixture(scope="module")
def hidden(folder) -> Timeline:
    """The same with `CUDA_VISIBLE_DEVICES=1` for the second one."""
    return load_bundles(bundles("hidden", folder), nsys=export("hidden"))


def kernels_of_nodes(timeline: Timeline) -> Counter[tuple[int, int]]:
    """How many kernels of ONNX nodes each process launched on each of its devices."""
    work = timeline.device_ops.span[timeline.links.node[timeline.device_ops.span] != NONE]
    lanes = [timeline.lane_of(span) for span in work.tolist()]
    return Counter((lane.process, lane.device) for lane in lanes)


@pytest.mark.parametrize("recording", ["turns", "own_turns"])
def test_each_gpu_ran_the_nodes_of_its_own_session(request, recording):
    timeline = request.getfixturevalue(recording)
    process = timeline.capture.process
    assert kernels_of_nodes(timeline) == {(process, 0): NODES_A_RUN * RUNS, (process, 1): NODES_A_RUN * RUNS}
    work = timeline.device_ops.span
    of_run = timeline.links.run[work] != NONE
    sessions = timeline.runs.session[timeline.links.run[work[of_run]]]
    assert np.array_equal(sessions, timeline.device_ops.device[of_run])


@pytest.mark.parametrize("recording", ["turns", "own_turns"])
def test_copies_between_gpus_lie_on_the_one_they_ran_on(request, recording):
    timeline = request.getfixturevalue(recording)
    ops = timeline.device_ops
    between = [row for row, span in enumerate(ops.span.tolist()) if "PtoP" in timeline.name_of(span)]
    assert Counter((timeline.name_of(span)) for span in ops.span[between].tolist()) == {
        "Memcpy PtoP (Device -> Device)": RUNS
    }
    assert set(ops.device[between].tolist()) == {0}
    assert [each.device for each in Analyses(timeline).idle.devices] == [0, 1]


def test_both_tools_saw_the_same_work(turns, own_turns):
    """Without the arguments of templates where there are lambdas among them, which they spell otherwise."""
    seen = []
    for timeline in (turns, own_turns):
        ops = timeline.device_ops
        names = [
            re.sub("<.*lambda.*|<unnamed>.*|.anonymous .*", "", timeline.name_of(span)) for span in ops.span.tolist()
        ]
        seen.append(Counter(zip(ops.device.tolist(), names, ops.size_bytes.tolist(), strict=True)))
    assert seen[0] == seen[1]


def test_every_stream_wait_says_what_it_waits_for_across_gpus_too(turns):
    """`copy_` from one GPU to the other puts the current streams of both behind each other."""
    waits = turns.waits
    rows = np.flatnonzero(waits.kind == WaitKind.STREAM_WAIT_EVENT)
    between = Counter(
        zip(waits.device[rows].tolist(), waited_devices(turns)[rows].tolist(), strict=True)
    )  # fmt: skip
    assert between == {(0, 0): 2 * RUNS, (0, 1): RUNS, (1, 0): RUNS, (1, 1): 2 * RUNS}
    assert (waits.waited_stream[rows] != NONE).all()


def test_work_of_the_other_gpu_is_found_behind_a_wait_for_it(turns):
    """A copy between them waits for the target's stream, and the target's stream for the copy."""
    found, lanes = Analyses(turns).waits, turns.lanes
    across = Counter(
        (lanes[waiter].device, lanes[waited].device)
        for waiter, of_waiter in zip(found.waiter_lane.tolist(), found.waited, strict=True)
        for waited in of_waiter.tolist()
        if lanes[waiter].stream != NONE and lanes[waiter].device != lanes[waited].device
    )
    assert across == {(0, 1): RUNS, (1, 0): RUNS}


def test_streams_of_both_gpus_say_whether_they_wait_for_their_default_one(turns):
    flags = {(lane.device, lane.stream): lane.blocking for lane in turns.lanes if lane.stream != NONE}
    assert (flags[0, 7], flags[0, 14], flags[1, 159], flags[1, 166]) == (True, False, True, False)


def test_a_wait_for_a_device_is_of_an_unknown_one_where_there_are_several(turns, processes):
    """`cudaDeviceSynchronize` names none, and Nsight Systems does not record `cudaSetDevice`."""
    devices = []
    for timeline in (turns, processes):
        waits = timeline.waits
        rows = waits.kind == WaitKind.DEVICE_SYNC
        lanes = [timeline.lane_of(span) for span in waits.span[rows].tolist()]
        devices.append(
            {(lane.process, device) for lane, device in zip(lanes, waits.device[rows].tolist(), strict=True)}
        )
    assert devices[0] == {(857, NONE)}
    assert devices[1] == {(1529, 0), (1583, 1)}
    integrity = Analyses(turns).integrity
    assert integrity.sync_calls - integrity.sync_resolved == 13


@pytest.mark.parametrize(
    ("recording", "of"), [("processes", {(1529, 0), (1583, 1)}), ("hidden", {(1929, 0), (1983, 0)})]
)
def test_processes_with_the_same_stream_and_correlation_ids_are_told_apart(request, recording, of):
    timeline = request.getfixturevalue(recording)
    assert kernels_of_nodes(timeline) == dict.fromkeys(of, NODES_A_RUN * RUNS)
    work = timeline.device_ops.span
    launch = timeline.links.launch[work]
    assert (launch != NONE).all()
    lanes = timeline.lanes
    assert all(
        lanes[one].process == lanes[other].process
        for one, other in zip(timeline.spans.lane[work].tolist(), timeline.spans.lane[launch].tolist(), strict=True)
    )
    assert Counter(own_stream(lane.stream) for lane in lanes if lane.stream != NONE)[7] == 2


def test_processes_together_are_as_each_is_alone(processes, folder):
    of_each = [load_bundle(path, nsys=export("processes")) for path in bundles("processes", folder)]
    assert sum(len(each.spans) for each in of_each) == len(processes.spans)
    busy_ns = [each.busy_ns for each in Analyses(processes).idle.devices]
    for alone, of_device in zip(of_each, busy_ns, strict=True):
        assert Analyses(alone).idle.devices[0].busy_ns == of_device
    assert processes.problems == ()


def test_another_process_of_the_recording_is_named_where_its_bundle_is_missing(folder):
    for given, missing in zip(bundles("processes", folder), (1583, 1529), strict=True):
        (problem,) = load_bundle(given, nsys=export("processes")).problems
        assert problem.kind is ProblemKind.NOT_CAPTURED
        assert f"process {missing}, whose bundle is not given, launched 901 pieces of GPU work" in problem.detail


def test_bare_profiles_find_their_process(folder):
    profiles = [str(profile) for bundle in bundles("processes", folder) for profile in bundle.glob("ort-*")]
    found = kernels_of_nodes(load_files(ort=profiles, nsys=export("processes")))
    assert found == {(1529, 0): NODES_A_RUN * RUNS, (1583, 1): NODES_A_RUN * RUNS}


def test_recordings_of_several_sessions_go_onto_one_timeline():
    """Each has an epoch of its own."""
    timeline = load_files(nsys=[*export("turns"), *export("processes")])
    work = timeline.device_ops.span.tolist()
    assert Counter(timeline.lane_of(span).process for span in work) == {857: 1792, 1529: 901, 1583: 901}
    starts_ns = {source.process: timeline.spans.start_ns[timeline.spans.source == number].min()
                 for number, source in enumerate(timeline.sources)}  # fmt: skip
    assert 10e9 < starts_ns[1529] - starts_ns[857] < 60e9


def test_a_forked_child_without_gpu_is_no_process_of_the_recording(processes):
    assert {lane.process for lane in processes.lanes} == {1529, 1583}


def test_ranges_are_of_their_own_process(processes):
    ranges = processes.spans.of_kind(Kind.ANNOTATION)
    passes = [processes.lane_of(span).process for span in ranges.tolist() if processes.name_of(span) == "two_gpus:pass"]
    assert Counter(passes) == {1529: RUNS, 1583: RUNS}


def test_two_gpus_with_one_number_are_not_added_up(hidden, folder):
    (problem,) = hidden.problems
    assert problem.kind is ProblemKind.DEVICES_MIXED
    assert "GPU 0 of process 1929 is another GPU than that of process 1983" in problem.detail
    forbidden = {each.claim for each in Analyses(hidden).integrity.objections}
    assert forbidden == {Claim.GPU_TIME, Claim.IDLE}
    for path in bundles("hidden", folder):
        alone = load_bundle(path, nsys=export("hidden"))
        assert ProblemKind.DEVICES_MIXED not in {each.kind for each in alone.problems}


@pytest.mark.parametrize("recording", ["turns", "own_turns", "processes", "hidden"])
def test_nothing_is_wrong_with_them(request, recording):
    findings = judge(Analyses(request.getfixturevalue(recording))).findings
    assert {finding.severity for finding in findings} <= {Severity.INFO}
    assert not {finding.code for finding in findings} - {"F1", "M1"}
