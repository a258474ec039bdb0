"""The frames say what the columns say, mark what is missing, and document every column."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from captures import example, resnet, service
from scene import PROCESS, Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.timeline import NONE, Kind, Timeline, WaitKind
from ortprobe.timeline.columns import columns_of, row_class
from ortprobe.timeline.frames import TABLES

HOSTILE = ["<b>&\x1b[2J\u202e\x00|`", "", "nan", "<NA>", "None", "two\nlines", "\N{PILE OF POO}", "\ud800", "\udfff"]

REFERENCES = {
    "lane": "lanes", "source": "sources", "profile": "sources", "session": "sessions", "replaces": "sessions",
    "node": "nodes", "run": "runs", "launch": "spans", "node_span": "spans", "hook_span": "spans",
    "run_span": "spans", "execute_span": "spans",
}  # fmt: skip


def set_providers() -> Timeline:
    return example("set-providers").timeline


@pytest.fixture(params=[resnet, service, set_providers])
def timeline(request) -> Timeline:
    return request.param()


@pytest.fixture
def empty(tmp_path) -> Timeline:
    return load_bundle(Scene().write_bundle(tmp_path / "empty.ortprobe"))


def numbers(column: pd.Series) -> np.ndarray:
    return column.to_numpy(np.int64, na_value=NONE)


def test_every_table_of_the_timeline_has_a_frame_with_all_of_its_columns(timeline):
    frames = timeline.to_pandas()
    assert {field.name for field in fields(Timeline)} - set(TABLES) == {
        "names",
        "links",
        "capture",
        "models",
        "model_links",
    }
    for table, frame in frames.tables().items():
        attributes = {field.name for field in fields(row_class(table))}
        assert attributes - set(frame.columns) <= {"span", "index"}, table


def test_numbers_are_those_of_the_model_and_missing_where_it_says_none(timeline):
    frames = timeline.to_pandas()
    checked = 0
    for table in ("spans", "device_ops", "waits", "nodes", "node_spans", "hooks", "runs"):
        rows, frame = getattr(timeline, table), frames.tables()[table]
        for column in columns_of(table):
            owner = timeline.links if hasattr(timeline.links, column.name) and table == "spans" else rows
            if not hasattr(owner, column.name) or frame[column.name].dtype == "category":
                continue
            values = getattr(owner, column.name)
            assert (numbers(frame[column.name]) == values).all(), (table, column.name)
            assert frame[column.name].isna().sum() == (0 if column.unit else (values == NONE).sum())
            checked += 1
    assert checked > 40


def test_names_and_kinds_are_the_words_for_the_numbers(timeline):
    frames, spans = timeline.to_pandas(), timeline.spans
    assert frames.spans.name.tolist() == [timeline.names[name] for name in spans.name]
    assert frames.spans.kind.tolist() == [Kind(kind).name for kind in spans.kind]
    assert frames.spans.lane_label.tolist() == [timeline.lanes[lane].label for lane in spans.lane]
    assert frames.waits.kind.tolist() == [WaitKind(kind).name for kind in timeline.waits.kind]
    assert frames.nodes.op_type.tolist() == [timeline.names[name] for name in timeline.nodes.op_type]
    sites = [timeline.names[site] if site != NONE else None for site in timeline.hooks.site]
    assert frames.hooks.site.astype(object).where(frames.hooks.site.notna(), None).tolist() == sites
    for lane, stream in zip(spans.lane.tolist(), numbers(frames.spans.stream).tolist(), strict=True):
        assert timeline.lanes[lane].stream == stream


def test_objects_are_rows_and_what_is_none_is_missing(timeline):
    frames = timeline.to_pandas()
    for session, row in zip(timeline.sessions, frames.sessions.itertuples(), strict=True):
        assert row.Index == session.index
        assert row.creation == session.creation.value
        assert (None if row.replaces is pd.NA else row.replaces) == session.replaces
        assert (None if row.load_ns is pd.NA else row.load_ns) == session.load_ns
        assert (None if row.site is pd.NA else row.site) == (
            f"{session.site.file}:{session.site.line}" if session.site else None
        )
    blocking = [pd.NA if lane.blocking is None else lane.blocking for lane in timeline.lanes]
    assert frames.lanes.blocking.tolist() == blocking
    assert frames.problems.detail.tolist() == [problem.detail for problem in timeline.problems]
    assert frames.sources.spans.sum() == len(timeline.spans)


def test_columns_that_refer_to_a_table_join_with_its_index(timeline):
    frames = timeline.to_pandas().tables()
    used = set()
    for table, frame in frames.items():
        for column, target in REFERENCES.items():
            if column in frame:
                assert set(frame[column].dropna()) <= set(frames[target].index), (table, column)
                used.add(column)
        if frame.index.name == "span":
            assert set(frame.index) <= set(frames["spans"].index)
    assert used == set(REFERENCES)


def test_what_is_said_to_count_rows_of_a_table_is_a_reference(timeline):
    described = timeline.to_pandas().describe()
    counts_rows = described.meaning.str.contains(r"Index in `Timeline\.|row in `|HOOK span")
    assert set(described.column[counts_rows]) - set(REFERENCES) == set()


def test_the_hooked_call_of_a_span_is_found_by_its_number(timeline):
    frames, hook = timeline.to_pandas(), timeline.links.hook
    joined = frames.spans[["hook_span"]].join(frames.hooks[["site"]], on="hook_span")
    sites = np.append(timeline.hooks.site, NONE)[hook].tolist()
    assert joined.site.astype(object).where(joined.site.notna(), None).tolist() == [
        timeline.names[site] if site != NONE else None for site in sites
    ]


def test_joins_leave_times_exact_where_there_is_no_partner():
    """float64 holds times since 1970 to 256 ns."""
    timeline = service()
    frames = timeline.to_pandas()
    joined = frames.runs[["run_span"]].join(frames.spans[["start_ns"]], on="run_span")
    spans = timeline.runs.run_span
    assert 0 < (spans == NONE).sum() < len(spans)
    assert (numbers(joined.start_ns) == np.where(spans == NONE, NONE, timeline.spans.start_ns[spans])).all()


def test_figures_of_the_frames_are_those_of_the_analyses(timeline):
    frames, analyses = timeline.to_pandas(), Analyses(timeline)
    work = frames.spans.loc[frames.device_ops.index]
    by_node = work.groupby("node").duration_ns.sum()
    for node in analyses.nodes.nodes:
        assert by_node.get(node.node, 0) == (node.device_ns or 0)
    kernels = work[work.kind == "KERNEL"]
    assert len(kernels) == analyses.nodes.kernels_total
    assert kernels.node.notna().sum() >= analyses.nodes.kernels_with_node > 0
    latency_ns = frames.runs.end_ns - frames.runs.start_ns
    assert latency_ns.tolist() == analyses.runs.latency_ns.tolist()


def test_a_frame_is_a_copy(timeline):
    before = timeline.spans.start_ns.copy(), timeline.links.run.copy(), timeline.runs.end_ns.copy()
    frames = timeline.to_pandas()
    frames.spans.loc[:, ["start_ns", "run"]] = 0
    frames.runs.loc[:, "end_ns"] = pd.NA
    after = timeline.spans.start_ns, timeline.links.run, timeline.runs.end_ns
    assert all((old == new).all() for old, new in zip(before, after, strict=True))


def test_an_empty_timeline_has_empty_frames_of_the_same_types(empty):
    frames, full = empty.to_pandas().tables(), service().to_pandas().tables()
    assert len(empty.spans) == 0
    for table, frame in frames.items():
        assert list(frame.columns) == list(full[table].columns)
        assert frame.index.name == full[table].index.name
        assert list(map(str, frame.dtypes)) == list(map(str, full[table].dtypes)), table
    assert sum(map(len, frames.values())) == len(frames["sources"]) + len(frames["problems"])


def test_hostile_names_are_names(tmp_path):
    scene = Scene()
    for number, name in enumerate(HOSTILE):
        scene.torch_op(name, 10 * number, 5).launch(name, 10 * number, 10 * number + 5, 3, number + 1)
    scene.profile().run(200, 50).node(HOSTILE[0], 210, 20, op=HOSTILE[1], provider=HOSTILE[2])
    timeline = scene.load(tmp_path)
    frames = timeline.to_pandas()
    encodable = [name.encode("utf-8", "replace").decode() for name in HOSTILE]
    assert frames.spans.name[frames.spans.kind == "TORCH_OP"].tolist() == encodable
    assert frames.spans.name[frames.spans.kind == "KERNEL"].tolist() == encodable
    assert frames.spans.name.notna().all()
    (node,) = frames.nodes.itertuples()
    assert (node.name, node.op_type, node.provider) == tuple(HOSTILE[:3])


def test_a_number_that_only_looks_like_nothing_is_kept(tmp_path):
    """-1 is the empty value of ids. A quantity of -1 was measured."""
    scene = Scene()
    profile = scene.profile().run(0, 50).node("n", 10, 20)
    profile.events[-1]["args"]["mem_arena_held_delta"] = "-1"
    timeline = scene.load(tmp_path)
    assert timeline.to_pandas().node_spans.arena_growth_bytes.tolist() == [-1]


def test_every_column_is_documented_where_it_is_declared(empty):
    described = empty.to_pandas().describe()
    undocumented = described[described.meaning == ""]
    assert undocumented[["table", "column"]].to_numpy().tolist() == []
    assert not described.duplicated(["table", "column"]).any()
    assert not described.meaning.str.contains("\n").any()
    assert set(described.unit[described.column.str.endswith("_ns")]) == {"ns"}
    assert not described.meaning.str.contains("in `Timeline.names`").any(), "these are names here: NameIndices"
    row = described.set_index(["table", "column"]).loc["runs", "hook_span"]
    assert (row.type, row.meaning) == ("Int32", "The HOOK span of the Python call; NONE when no hook saw it.")


def test_lanes_of_one_label_are_one_category_and_stay_lanes_of_their_own(tmp_path):
    scene = Scene()
    for device in (0, 1):
        scene.launch("k", 10 * device, 10 * device + 5, 3, device + 1, device=device)
    spans = scene.load(tmp_path).to_pandas().spans
    kernels = spans[spans.kind == "KERNEL"]
    assert kernels.lane_label.tolist() == ["stream 7", "stream 7"]
    assert kernels.device.tolist() == [0, 1]
    assert kernels.lane.nunique() == 2
    assert set(spans.process[spans.kind == "CUDA_CALL"]) == {PROCESS}


def test_a_frames_object_prints_how_much_there_is():
    assert repr(service().to_pandas()).startswith(f"Frames(spans: {len(service().spans):,}, device_ops: ")


def test_a_million_spans_are_framed_in_a_second_and_twice_their_memory():
    """Measured: 0.13 s, and 1.8 times the memory of the columns that `spans` joins from three classes."""
    timeline = resnet()
    times = -(-1_000_000 // len(timeline.spans))
    million = replace(timeline, spans=repeated(timeline.spans, times), links=repeated(timeline.links, times))
    tracemalloc.start()
    before = time.process_time()
    frames = million.to_pandas()
    seconds = time.process_time() - before
    held_bytes, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    columns = [getattr(rows, field.name) for rows in (million.spans, million.links) for field in fields(rows)]
    assert len(frames.spans) >= 1_000_000
    assert seconds < 1
    assert held_bytes < 2.5 * sum(column.nbytes for column in columns)
    assert peak_bytes < 4 * sum(column.nbytes for column in columns)


def repeated(rows, times: int):
    """The columns of a table, one after the other so many times."""
    return replace(rows, **{field.name: np.tile(getattr(rows, field.name), times) for field in fields(rows)})
