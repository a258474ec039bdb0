"""The native Perfetto trace, read back by Perfetto's own protos, says what the capture says."""

from __future__ import annotations

import tracemalloc
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest.exported import TIMELINE_FIELD
from ortprobe.report.perfetto import trace as perfetto_trace
from ortprobe.report.perfetto.carried import carried
from ortprobe.report.perfetto.trace import render_perfetto
from ortprobe.rules import Judgement, judge
from ortprobe.timeline import DEVICE_WORK, NONE, Kind, Timeline
from ortprobe.timeline.intervals import union

protos = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
UnknownFieldSet = pytest.importorskip("google.protobuf.unknown_fields").UnknownFieldSet
BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4


@dataclass(frozen=True)
class Slice:
    track: str
    lane: str
    name: str
    start_ns: int
    end_ns: int
    told: dict[str, Any]
    flows: frozenset[int]


@dataclass(frozen=True)
class Read:
    """A trace as somebody else reads it: times since its first event."""

    slices: list[Slice]
    counters: dict[str, list[tuple[int, int]]]
    tracks: dict[int, Any]
    clocks: dict[int, int]


def unpacked(trace: bytes) -> list[Any]:
    """The packets in the packets, as Perfetto's reader gets them: those that ortprobe alone knows it skips."""
    found = []
    for packet in protos.Trace.FromString(trace).packet:
        if packet.HasField("compressed_packets"):
            (field,) = packet.ListFields()
            assert field[0].name == "compressed_packets"
            found += protos.Trace.FromString(zlib.decompress(packet.compressed_packets)).packet
        else:
            assert not packet.ListFields()
            assert {field.field_number for field in UnknownFieldSet(packet)} == {TIMELINE_FIELD}
    return found


def read(judgement: Judgement) -> Read:
    packets = unpacked(render_perfetto(judgement))
    tracks, words, clocks = {}, defaultdict(dict), {}
    for packet in packets:
        assert packet.trusted_packet_sequence_id == 1
        if packet.HasField("track_descriptor"):
            tracks[packet.track_descriptor.uuid] = packet.track_descriptor
        for kind in ("event_names", "event_categories", "debug_annotation_names", "debug_annotation_string_values"):
            for entry in getattr(packet.interned_data, kind):
                words[kind][entry.iid] = entry.str.decode() if kind.endswith("values") else entry.name
        clocks |= {clock.clock_id: clock.timestamp for clock in packet.clock_snapshot.clocks}
    slices, counted, open_ones, last_ns = [], defaultdict(list), defaultdict(list), 0
    for packet in packets:
        if not packet.HasField("track_event"):
            continue
        event, track = packet.track_event, tracks[packet.track_event.track_uuid]
        if event.type == COUNTER:
            counted[track.name].append((packet.timestamp, event.counter_value))
            continue
        assert packet.timestamp >= last_ns, "in the order of time"
        last_ns = packet.timestamp
        if event.type == END:
            begun, start_ns = open_ones[track.uuid].pop()
            slices.append(made(begun, start_ns, packet.timestamp, tracks, words))
        elif event.type == INSTANT:
            slices.append(made(event, packet.timestamp, packet.timestamp, tracks, words))
        else:
            assert not open_ones[track.uuid], "a row never holds two marks at once"
            open_ones[track.uuid].append((event, packet.timestamp))
    assert not any(open_ones.values())
    return Read(slices, dict(counted), tracks, clocks)


def made(event: Any, start_ns: int, end_ns: int, tracks: dict[int, Any], words: Any) -> Slice:
    track = tracks[event.track_uuid]
    told = {}
    for each in event.debug_annotations:
        name = words["debug_annotation_names"][each.name_iid]
        texts = words["debug_annotation_string_values"]
        told[name] = texts[each.string_value_iid] if each.string_value_iid else each.int_value
    return Slice(
        track.name, tracks[track.parent_uuid].name, words["event_names"][event.name_iid], start_ns, end_ns, told,
        frozenset(event.flow_ids),
    )  # fmt: skip


@cache
def judged() -> Judgement:
    return judge(captures.example("missing-wait"))


@cache
def shown() -> Read:
    return read(judged())


def timeline() -> Timeline:
    return judged().analyses.timeline


def test_every_kernel_copy_and_fill_is_a_slice_on_its_stream():
    spans, links = timeline().spans, timeline().links
    work = np.flatnonzero(np.isin(spans.kind, DEVICE_WORK)).tolist()
    nodes = timeline().nodes
    expected = Counter(
        (
            timeline().name_of(span), int(spans.start_ns[span]) - timeline().start_ns,
            int(spans.end_ns[span]) - timeline().start_ns,
            timeline().names[nodes.name[links.node[span]]] if links.node[span] != NONE else None,
        )
        for span in work
    )  # fmt: skip
    found = Counter(
        (each.name, each.start_ns, each.end_ns, each.told.get("node"))
        for each in shown().slices if each.track == "device work"
    )  # fmt: skip
    assert found == expected


def test_a_flow_leads_from_each_launch_to_its_work_and_from_nodes_to_theirs():
    spans, links = timeline().spans, timeline().links
    by_flow = defaultdict(list)
    for each in shown().slices:
        for flow in each.flows:
            by_flow[flow].append(each.track)
    launched = int((links.launch[np.isin(spans.kind, DEVICE_WORK)] != NONE).sum())
    launches = [tracks for tracks in by_flow.values() if set(tracks) == {"CUDA calls", "device work"}]
    assert sum(tracks.count("device work") for tracks in launches) == launched
    nodes = [tracks for tracks in by_flow.values() if set(tracks) == {"onnxruntime", "device work"}]
    executed = np.isin(spans.kind, DEVICE_WORK) & (links.node_span != NONE)
    assert sum(tracks.count("device work") for tracks in nodes) == int(executed.sum()) > 0


def test_idle_time_is_there_by_cause():
    (device,) = judged().analyses.idle.devices
    found = sum(each.end_ns - each.start_ns for each in shown().slices if each.track == "idle")
    assert found == device.idle_ns


def test_findings_are_slices_that_say_what_they_mean():
    found = {each.name.split()[0]: each for each in shown().slices if each.lane == "Findings"}
    assert list(found) == [each.code for each in sorted(judged().findings, key=lambda each: found[each.code].start_ns)]
    first = next(each for each in judged().findings if each.code == "Y1")
    assert first.detail in found["Y1"].told["finding"]
    assert found["Y1"].told["finding"].startswith("error")


def test_counters_count_what_is_there():
    spans = timeline().spans
    values = dict(shown().counters["Streams at work"])
    assert list(shown().counters["Streams at work"])[-1][1] == 0
    for at_ns in spans.start_ns[np.isin(spans.kind, DEVICE_WORK)][::50].tolist():
        busy = sum(
            bool(((start <= at_ns) & (at_ns < end)).any())
            for lane in range(len(timeline().lanes))
            for start, end in [union(*(getattr(spans, side)[(spans.lane == lane) & np.isin(spans.kind, DEVICE_WORK)]
                                       for side in ("start_ns", "end_ns")))]
        )  # fmt: skip
        last = max(time for time in values if time <= at_ns - timeline().start_ns)
        assert values[last] == busy
    assert min(value for _, value in shown().counters["Launched, not begun"]) == 0


def test_tracks_are_in_the_order_of_the_page_below_one_process():
    tracks = shown().tracks
    lanes = sorted(
        (each for each in tracks.values() if each.parent_uuid == 1), key=lambda each: each.sibling_order_rank
    )
    names = [lane.name for lane in lanes]
    assert names[:3] == ["Sessions", "Runs", "MainThread"]
    assert names.index("Findings") < names.index("Streams at work")
    assert tracks[1].process.pid == timeline().capture.process


def test_the_clock_snapshot_says_what_times_are_in_unix_time():
    assert shown().clocks == {6: 0, 1: timeline().start_ns}


def test_marks_without_length_are_instants_and_names_are_data(tmp_path):
    name = "</script>\0\n☃\ud800"
    scene = Scene().torch_op(name, 0, 0).torch_op("aten::add", 0, 5).session(0, 0, 10).hook("run", 20, 5, session=0)
    found = read(judge(Analyses(scene.load(tmp_path))))
    assert [each.end_ns - each.start_ns for each in found.slices if each.name.startswith("</script>")] == [0]


def test_a_long_name_takes_no_room_for_each_of_the_others(tmp_path):
    scene = Scene().session(0, 0, 10)
    for number in range(2000):
        scene.hook("run", 20 + 10 * number, 5, session=0)
    name = "kernel<" + "x" * 20_000 + ">"
    judgement = judge(Analyses(scene.launch(name, 21, 23, 1, 1).load(tmp_path)))
    render_perfetto(judgement)  # what analyses keep is not counted
    tracemalloc.start()
    try:
        found = render_perfetto(judgement)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20 << 20, "2,000 times the name would be 40 MB"
    assert any(event.name == name for packet in unpacked(found) for event in packet.interned_data.event_names)


def test_an_empty_capture_is_an_empty_trace(tmp_path):
    scene = Scene().session(0, 0, 10, error="NoSuchFile")
    assert read(judge(Analyses(scene.load(tmp_path)))).counters == {}


def test_every_event_of_the_timeline_is_there():
    kinds = Counter(Kind(kind) for kind in timeline().spans.kind.tolist())
    tracks = Counter(each.track for each in shown().slices)
    assert tracks["CUDA calls"] == kinds[Kind.CUDA_CALL]
    assert tracks["onnxruntime"] == sum(
        kinds[kind] for kind in (Kind.ORT_NODE, Kind.ORT_RUN, Kind.ORT_EXECUTE, Kind.ORT_LOAD, Kind.ORT_INITIALIZE)
    )
    assert tracks["run"] == len(timeline().runs)


def test_the_timeline_is_in_packets_of_a_field_that_perfetto_does_not_know(monkeypatch):
    packet = protos.TracePacket.DESCRIPTOR
    assert TIMELINE_FIELD not in packet.fields_by_number
    assert not any(first <= TIMELINE_FIELD < beyond for first, beyond in packet.extension_ranges)
    monkeypatch.setattr(perfetto_trace, "_CHUNK_BYTES", 10_000)
    packets = protos.Trace.FromString(render_perfetto(judged())).packet
    pieces = [field.data for packet in packets for field in UnknownFieldSet(packet)]
    assert len(pieces) > 2
    assert b"".join(pieces) == carried(timeline())


def test_compressed_packets_hold_whole_packets_of_three_bytes_or_more():
    """`ProtoTraceTokenizer` stops where no more than two bytes are left (Perfetto v58)."""
    for packet in protos.Trace.FromString(render_perfetto(judged())).packet:
        if packet.HasField("compressed_packets"):
            inner = zlib.decompress(packet.compressed_packets)
            assert inner[0] == 0x0A
            assert len(protos.Trace.FromString(inner).packet[-1].SerializeToString()) >= 3
