"""Merging ORT profiles and torch traces, on recordings of an H100 and on generated captures with known truth."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from captures import RACE, RESNET, healthy, racy, resnet
from scene import PROCESS, Scene, at_ns

from ortprobe.bundle import Thread
from ortprobe.errors import UnreadableInput, UsageError
from ortprobe.ingest import load_bundle, load_files
from ortprobe.timeline import NONE, ClockMethod, Kind, ProblemKind, Timeline


def kernels_of_ort(timeline: Timeline) -> np.ndarray:
    kernels = timeline.spans.of_kind(Kind.KERNEL)
    return kernels[timeline.links.run[kernels] != NONE]


def test_resnet_has_two_sessions_one_of_them_a_re_initialisation_and_ten_runs():
    timeline = resnet()
    assert [session.replaces for session in timeline.sessions] == [None, 0]
    assert timeline.sessions[1].replaces_is_inferred
    assert np.bincount(timeline.runs.session).tolist() == [5, 5]
    assert [session.initialize_ns for session in timeline.sessions] == [100_178_000, 58_197_000]


def test_every_kernel_on_ort_streams_of_resnet_has_its_node_and_run():
    timeline = resnet()
    kernels = timeline.spans.of_kind(Kind.KERNEL)
    streams = np.array([timeline.lane_of(kernel).stream for kernel in kernels.tolist()])
    on_ort_streams = kernels[np.isin(streams, (29, 46))]
    assert len(on_ort_streams) == 2340
    assert (timeline.links.node[on_ort_streams] != NONE).all()
    assert np.bincount(timeline.links.run[on_ort_streams]).tolist() == [234] * 10
    assert len(kernels_of_ort(timeline)) == 2340


def test_the_bound_of_the_fit_holds_the_start_that_onnxruntime_stated():
    stated = json.loads((RESNET / "meta.json").read_text())
    for bound, key in zip(resnet().clocks, ("a_start_ns", "b_start_ns"), strict=True):
        source = bound.source
        spans = resnet().spans
        first = int(np.flatnonzero((spans.source == source) & (spans.row == 0))[0])
        written_us = json.loads(gzip.decompress(Path(resnet().sources[source].path).read_bytes()))[0]["ts"]
        applied_ns = int(spans.start_ns[first]) - written_us * 1000
        assert bound.method is ClockMethod.NESTING
        assert bound.witnesses == 1170
        assert applied_ns + bound.low_ns <= stated[key] <= applied_ns + bound.high_ns
        assert bound.high_ns - bound.low_ns < 10_000


def test_a_stated_start_is_checked_and_confirmed():
    stated = json.loads((RESNET / "meta.json").read_text())
    timeline = load_files(ort=[f"{RESNET}/ort_a.json.gz@{stated['a_start_ns']}"], torch=[RESNET / "kineto.json.gz"])
    (bound,) = timeline.clocks
    assert bound.method is ClockMethod.EPOCH
    assert bound.low_ns <= 0 <= bound.high_ns
    assert ProblemKind.CLOCK_DOUBT not in {problem.kind for problem in timeline.problems}


def test_a_wrong_stated_start_is_doubted():
    stated = json.loads((RESNET / "meta.json").read_text())["a_start_ns"] + 3_000_000
    timeline = load_files(ort=[f"{RESNET}/ort_a.json.gz@{stated}"], torch=[RESNET / "kineto.json.gz"])
    assert (
        ProblemKind.CLOCK_DOUBT in {problem.kind for problem in timeline.problems} or not timeline.clocks[0].witnesses
    )


@pytest.mark.parametrize("capture", [racy, healthy])
def test_race_captures_attribute_every_kernel_of_ort(capture):
    timeline = capture()
    kernels = kernels_of_ort(timeline)
    with_node = timeline.links.node[kernels] != NONE
    assert with_node.all()
    assert len(kernels) == 384
    assert [session.replaces for session in timeline.sessions] == [None]


def test_waits_resolve_where_cupti_was_asked_to():
    assert (racy().waits.waited_stream[racy().waits.kind == 0] != NONE).all()
    assert ProblemKind.WAITS_UNRESOLVED in {problem.kind for problem in resnet().problems}
    assert ProblemKind.WAITS_UNRESOLVED not in {problem.kind for problem in healthy().problems}


def test_streams_know_who_launches_on_them():
    owners = {lane.stream: lane.owner for lane in resnet().lanes if lane.stream != NONE}
    assert owners[7] == "torch"
    assert owners[29] == owners[46] == "onnxruntime"


def test_a_run_without_a_profile_gets_nodes_from_the_same_sequence_of_kernels(tmp_path):
    scene = Scene()
    scene.profile().load(0, 10).initialize(10, 50).run(100, 100).node("a", 110, 20).node("b", 140, 20, index=1)
    for start, first in ((100, 1), (300, 11), (500, 21)):
        scene.launch("conv", start + 15, start + 20, 5, first).launch("relu", start + 45, start + 50, 5, first + 1)
    scene.launch("other", 560, 565, 5, 31)
    scene.session(0, 0, 70)
    for start, attached in ((98, 3), (298, 2), (498, 2)):
        scene.hook("run", start, 104, session=0, attached=attached)
    timeline = scene.load(tmp_path)
    nodes = [
        [
            timeline.names[timeline.nodes.name[node]] if (node := timeline.links.node[kernel]) != NONE else ""
            for kernel in own
        ]
        for own in (timeline.spans.of_kind(Kind.KERNEL)[:2], timeline.spans.of_kind(Kind.KERNEL)[2:4])
    ]
    assert nodes == [["a", "b"], ["a", "b"]]
    odd_run = timeline.spans.of_kind(Kind.KERNEL)[4:]
    assert (timeline.links.node[odd_run] == NONE).all(), "a run that did something else must not borrow nodes"
    assert timeline.links.run[timeline.spans.of_kind(Kind.KERNEL)].tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_hooked_call_and_model_run_are_one_run(tmp_path):
    scene = Scene()
    scene.profile(5).load(5, 10).initialize(20, 50).run(100, 50).run(200, 50)
    scene.session(
        0, 0, 80, inputs=("x",), outputs=("y",), input_types=("tensor(float)[N,3]",),
        output_types=("tensor(float)[N]",), model_path="m.onnx", site="app.py:3",
        session_options={"graph_optimization_level": "ORT_DISABLE_ALL"},
    )  # fmt: skip
    scene.hook("run", 95, 60, session=0, attached=1, site="app.py:7").hook("run", 195, 60, session=0, attached=1)
    scene.hook("run", 300, 40, session=0, error="Fail: nope")
    timeline = scene.load(tmp_path)
    assert len(timeline.runs) == 3
    assert timeline.runs.start_ns.tolist() == [at_ns(95), at_ns(195), at_ns(300)]
    assert (timeline.runs.run_span[:2] != NONE).all()
    assert timeline.runs.run_span[2] == NONE
    assert timeline.hooks.failed.tolist()[-1] is True
    assert timeline.sessions[0].site is not None
    assert timeline.sessions[0].site.line == 3
    assert timeline.sessions[0].load_ns == 10_000
    assert timeline.sessions[0].session_options == {"graph_optimization_level": "ORT_DISABLE_ALL"}
    assert timeline.sessions[0].input_types == ("tensor(float)[N,3]",)
    assert timeline.sessions[0].output_types == ("tensor(float)[N]",)
    (bound,) = timeline.clocks
    assert bound.method is ClockMethod.EPOCH
    assert bound.low_ns <= 0 <= bound.high_ns
    assert bound.witnesses == 2


def test_hooked_calls_say_on_which_device_the_memory_is(tmp_path):
    scene = Scene().hook("copy_", 0, 1, device="cuda:0").hook("bind_input", 2, 1, device="cpu", buffer="x")
    timeline = scene.hook("synchronize", 4, 1).load(tmp_path)
    names = [None if device == NONE else timeline.names[device] for device in timeline.hooks.device.tolist()]
    assert names == ["cuda:0", "cpu", None]
    assert timeline.to_pandas().hooks.device.astype(object).tolist()[:2] == ["cuda:0", "cpu"]


def test_contiguity_of_what_is_bound_is_known_or_not(tmp_path):
    scene = Scene()
    for number, contiguous in enumerate((True, False, None)):
        scene.hook("bind_input", number, 1, binding=0, buffer="x", contiguous=contiguous)
    assert scene.load(tmp_path).hooks.contiguous.tolist() == [1, 0, NONE]


def test_a_profile_without_anything_to_fit_it_to_says_so():
    timeline = load_files(ort=[RESNET / "ort_a.json.gz"])
    kinds = {problem.kind for problem in timeline.problems}
    assert {ProblemKind.CLOCK_DOUBT, ProblemKind.NO_GPU_TRACE} <= kinds
    assert len(timeline.runs) == 5


def test_a_profile_of_another_program_is_not_forced_onto_a_trace():
    timeline = load_files(ort=[RACE / "racy_ort.json.gz"], torch=[RESNET / "kineto.json.gz"])
    assert ProblemKind.CLOCK_DOUBT in {problem.kind for problem in timeline.problems}


def test_a_bundle_of_a_killed_program_loads_with_what_is_there(tmp_path):
    scene = Scene()
    scene.profile().run(100, 50)
    scene.session(0, 0, 80).hook("run", 95, 60, session=0)
    bundle = scene.write_bundle(tmp_path / "x.ortprobe")
    (bundle / "ort-0.json").write_bytes(b"")
    log = bundle / "hooks.jsonl"
    log.write_bytes(log.read_bytes()[:-7])
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["ending"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    timeline = load_bundle(bundle)
    assert len(timeline.runs) == 1
    kinds = {problem.kind for problem in timeline.problems}
    assert {ProblemKind.KILLED, ProblemKind.UNREADABLE_RECORDS} <= kinds


def test_a_torch_trace_with_times_outside_of_its_window_is_left_out(tmp_path):
    scene = Scene(window_us=(60e6, 61e6)).session(0, 0, 80).hook("run", 95, 60, session=0, attached=2)
    scene.launch("conv", 100, 110, 5, 1)
    timeline = scene.load(tmp_path)
    assert not len(timeline.spans.of_kind(Kind.KERNEL))
    assert any("outside of the time" in problem.detail for problem in timeline.problems)


def test_launches_into_a_graph_capture_are_no_lost_kernels(tmp_path):
    scene = Scene().call("cudaStreamBeginCapture", 10, 2, 1).call("cudaLaunchKernel", 20, 2, 2)
    scene.call("cudaStreamEndCapture", 30, 2, 3).launch("conv", 40, 50, 5, 4)
    kinds = {problem.kind for problem in scene.load(tmp_path / "captured").problems}
    assert ProblemKind.LAUNCHES_WITHOUT_WORK not in kinds
    scene.call("cudaLaunchKernel", 60, 2, 5)
    kinds = {problem.kind for problem in scene.load(tmp_path / "lost").problems}
    assert ProblemKind.LAUNCHES_WITHOUT_WORK in kinds


def test_work_before_its_launch_is_a_problem(tmp_path):
    scene = Scene().launch("conv", 100, 110, 5, 1).launch("conv", 200, 150, 5, 2)
    assert ProblemKind.WORK_BEFORE_LAUNCH in {problem.kind for problem in scene.load(tmp_path).problems}


BAD_FILES = {
    "missing": None,
    "empty": b"",
    "not-json": b"hello",
    "other-json": b'{"a": 1}',
    "number": b"3",
    "cut-off": b'[{"cat": "Session", "name": "model_run", "ts": 1,',
    "cut-off-torch": b'{"traceEvents": [{"ph": "X", "cat": "kernel", "name": "k", "ts": 1, ',
    "cut-off-gzip": gzip.compress(b"[" + b" " * 100_000 + b"]")[:60],
    "damaged-gzip": b"\x1f\x8b\x08\x00" + b"\xff" * 50,
    "huge-time": b'{"traceEvents": [{"ph": "X", "cat": "kernel", "name": "k", "ts": 1e300, "dur": 1}]}',
    "huge-stream": b'{"traceEvents": [{"ph": "X", "cat": "kernel", "args": {"stream": 9223372036854775808}}]}',
    "huge-device": b'{"traceEvents": [{"ph": "X", "cat": "kernel", "args": {"device": 4294967296}}]}',
    "huge-base": b'{"traceEvents": [{"ph": "X", "cat": "kernel"}], "baseTimeNanoseconds": 9223372036854775000}',
    "no-number": b'{"traceEvents": [{"ph": "X", "cat": "kernel", "ts": 1, "dur": NaN}]}',
    "huge-ort-time": b'[{"cat": "Node", "name": "n_kernel_time", "ts": 9223372036854775807, "dur": 1}]',
    "deep": b'{"traceEvents": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("kind", ["ort", "torch"])
def test_bad_files_are_refused_in_one_line_that_names_them(tmp_path, name, kind):
    path = tmp_path / name
    if BAD_FILES[name] is not None:
        path.write_bytes(BAD_FILES[name])
    with pytest.raises(UnreadableInput) as refusal:
        load_files(**{kind: [path]})
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_span_that_ends_before_it_starts_is_empty(tmp_path):
    scene = Scene().launch("conv", 100, 110, -5, 1)
    scene.profile().run(90, 100).node("n", 95, -20)
    timeline = scene.load(tmp_path)
    assert (timeline.spans.duration_ns >= 0).all()
    assert len(timeline.spans.of_kind(Kind.KERNEL, Kind.ORT_NODE)) == 2


@pytest.mark.parametrize("number", ["--5", "²", "1" * 5000, "", "9" * 30])
def test_what_should_be_a_number_in_a_profile_and_is_none_is_read_over(tmp_path, number):
    args = {"op_name": "Conv", "node_index": number, "output_size": number, "mem_arena_held_delta": number}
    events = [
        {"cat": "Node", "name": "n_kernel_time", "ts": 5, "dur": 1, "args": args},
        {"cat": "Session", "name": "profile_truncated", "ts": 5, "dur": 0, "args": {"dropped_event_count": number}},
    ]
    (tmp_path / "ort.json").write_text(json.dumps(events))
    timeline = load_files(ort=[tmp_path / "ort.json"])
    assert timeline.node_spans.output_bytes.tolist() == [0]
    assert timeline.nodes.node_index.tolist() == [0]


def test_a_thread_that_changed_its_id_between_two_traces_is_one_witness(tmp_path):
    """CUPTI's id in the first trace, the OS's in the second, after a torch op: all launches bear on the clock."""
    scene = Scene().session(0, 0, 50).hook("run", 95, 300, session=0, attached=3)
    scene.profile(0).run(100, 290).node("a", 110, 20).node("b", 200, 20, index=1)
    scene.records.append(Thread(native_id=PROCESS, ident_low32=77))
    scene.session(0, 0, 50)
    del scene.records[0]
    bundle = scene.launch("conv", 115, 120, 5, 1, thread=77).launch("relu", 205, 210, 5, 2).write_bundle(tmp_path / "x")
    (bound,) = load_bundle(bundle).clocks
    assert bound.witnesses == 2


def test_the_line_about_a_bad_file_holds_no_control_characters(tmp_path):
    path = tmp_path / "a\x1b[2J\nb.json"
    path.write_bytes(b"hello")
    with pytest.raises(UnreadableInput) as refusal:
        load_files(torch=[path])
    assert str(refusal.value).isprintable()


def test_half_a_surrogate_pair_in_a_name_can_be_written(tmp_path):
    text = '{"traceEvents": [{"ph": "X", "cat": "kernel", "name": "k\\ud800", "ts": 1, "dur": 1}]}'
    (tmp_path / "t.json").write_text(text)
    timeline = load_files(torch=[tmp_path / "t.json"])
    assert timeline.name_of(0).encode() == b"k?"


def test_a_gzip_bomb_is_refused_without_filling_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("ortprobe.ingest.sources.files.MAX_SIZE_BYTES", 1 << 20)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b" " * (64 << 20)))
    with pytest.raises(UnreadableInput, match="GiB"):
        load_files(torch=[path])


def test_nothing_to_load_is_a_usage_error():
    with pytest.raises(UsageError):
        load_files()


def test_no_bundle(tmp_path):
    with pytest.raises(UnreadableInput, match="no ortprobe bundle"):
        load_bundle(tmp_path)
