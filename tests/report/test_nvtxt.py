"""NVTX ranges in text, read as ImportNvtxt reads them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from captures import DATA
from commands import ortprobe
from hypothesis import given, settings
from hypothesis import strategies as st
from nsight_export import BEGAN_NS, Export
from scene import PROCESS, Scene, at_ns

from ortprobe.errors import UsageError
from ortprobe.ingest import load_bundle, load_files
from ortprobe.ingest.sources.files import TraceFile
from ortprobe.ingest.sources.kineto import read_kineto
from ortprobe.ingest.sources.nsight.sqlite_tables import open_sqlite
from ortprobe.report.nvtxt import merge_line, render_nvtxt
from ortprobe.timeline import Kind, Problem, ProblemKind, Timeline

RECORDED = DATA / "h200-nsys"
PUSH = re.compile(r'RangePush, (\d+), (\d+), (\d+), "((?:[^"\\]|\\.)*)"')
POP = re.compile(r"RangePop, (\d+), (\d+), (\d+)")
GOLDEN = """\
# ImportNvtxt --cmd merge -i RECORDING.nsys-rep -n NODES.nvtxt -o RECORDING-nodes.nsys-rep --target 0:1
SetFileDisplayName, "ONNX Runtime nodes"
@RangePush, Time, ProcessId, ThreadId, Message
TimeBase = Relative
@RangePop, Time, ProcessId, ThreadId
TimeBase = Relative
RangePush, 1000020000, 4242, 4242, "/if"
RangePush, 1000030000, 4242, 4242, "/if/conv"
RangePop, 1000050000, 4242, 4242
RangePop, 1000060000, 4242, 4242
RangePush, 1000060000, 4242, 4242, "/relu"
RangePop, 1000070000, 4242, 4242
RangePush, 1000080000, 4242, 4343, "/conv"
RangePop, 1000090000, 4242, 4343
"""
Range = tuple[int, int, str, int]
"""Start, end, name, thread."""


def read(text: bytes) -> list[Range]:
    """The ranges of a file, as a stack for each thread makes them. Times of a thread never go back."""
    lines = text.decode().removesuffix("\n").split("\n")
    found: list[Range] = []
    stacks: dict[int, list[tuple[int, str]]] = {}
    last_ns: dict[int, int] = {}
    for line in lines[lines.index("TimeBase = Relative") + 3 :]:
        push, pop = PUSH.fullmatch(line), POP.fullmatch(line)
        assert push or pop, line
        time_ns, thread = (int((push or pop)[part]) for part in (1, 3))
        assert time_ns >= last_ns.setdefault(thread, 0)
        last_ns[thread] = time_ns
        stack = stacks.setdefault(thread, [])
        if push:
            stack.append((time_ns, push[4]))
        else:
            start_ns, name = stack.pop()
            found.append((start_ns, time_ns, name, thread))
    assert not any(stacks.values())
    return found


def recorded(scene: Scene, folder: Path) -> Timeline:
    """The scene's profile, and its trace as Nsight Systems recorded it, from a second before its first call on."""
    trace = read_kineto(TraceFile.at(scene.write_trace(folder)))
    export = Export().write(folder / "app.sqlite", [trace])
    profile = scene.write_profile(folder, 0)
    return load_files(ort=[f"{profile}@{at_ns(scene.profiles[0].start_us)}"], nsys=[export])


def scene_of(nodes: list[tuple[str, int, int, int]]) -> Scene:
    """Nodes by name, start, length and thread; the trace's first call is at the beginning."""
    scene = Scene().call("cudaGetDevice", 0, 1)
    profile = scene.profile().run(1, 10_000)
    for number, (name, start_us, length_us, thread) in enumerate(nodes):
        profile.node(name, start_us, length_us, index=number, thread=thread)
    return scene


@cache
def small() -> Timeline:
    nodes = [
        ("/if", 20, 40, PROCESS),
        ("/if/conv", 30, 20, PROCESS),
        ("/relu", 60, 10, PROCESS),
        ("/conv", 80, 10, 4343),
    ]
    with TemporaryDirectory() as folder:
        return recorded(scene_of(nodes), Path(folder))


@cache
def on_an_h200() -> Timeline:
    return load_bundle(RECORDED / "missing-wait-nsys.zip", nsys=[RECORDED / "missing-wait.sqlite.gz"])


def test_nodes_are_written_in_the_order_of_their_thread() -> None:
    assert BEGAN_NS == 1_000_000_000
    assert render_nvtxt(small()).decode() == GOLDEN


def test_nodes_lie_in_the_runs_that_nsight_systems_saw() -> None:
    """By the export's own times: nothing of ours puts the two on one clock here."""
    ranges = read(render_nvtxt(on_an_h200()))
    with open_sqlite(RECORDED / "missing-wait.sqlite.gz") as tables:
        texts = tables.texts("StringIds", "id", "value")
        found = tables.columns("NVTX_EVENTS", "start", "end", "textId", "globalTid")
    rows = zip(*(found[name].tolist() for name in ("start", "end", "textId", "globalTid")), strict=True)
    runs = [(start, end, tid & 0xFFFFFF) for start, end, text, tid in rows if texts.get(text) == "run_with_iobinding"]
    assert len(ranges) == 400
    inside = [any(a <= start and end <= b and thread == of for a, b, of in runs) for start, end, _, thread in ranges]
    assert all(inside)
    timeline = on_an_h200()
    assert Counter(name for _, _, name, _ in ranges) == Counter(
        timeline.names[timeline.nodes.name[node]] for node in timeline.node_spans.node.tolist()
    )


@settings(max_examples=60, deadline=None)
@given(st.text() | st.text(st.sampled_from("\"\\\n\r, #@='")))
def test_names_stay_data(name: str) -> None:
    timeline = small()
    hostile = replace(timeline, names=tuple(name if one == "/if/conv" else one for one in timeline.names))
    text = render_nvtxt(hostile)
    assert [(start, end) for start, end, *_ in read(text)] == [
        (start, end) for start, end, *_ in read(render_nvtxt(timeline))
    ]
    assert text.count(b"\n") == GOLDEN.count("\n")
    shown = read(text)[0][2]
    if name.isprintable() and name and '"' not in name and not name.endswith("\\"):
        assert shown == name


NODES = st.lists(st.tuples(st.just("/node"), st.integers(10, 60), st.integers(0, 30), st.sampled_from((PROCESS, 4343))),
                 min_size=1, max_size=8)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(NODES)
def test_whatever_the_times_each_range_begins_with_its_node_and_ends_no_later(
    nodes: list[tuple[str, int, int, int]],
) -> None:  # fmt: skip
    with TemporaryDirectory() as folder:
        timeline = recorded(scene_of(nodes), Path(folder))
    placed = [(start_us, start_us + length_us, thread) for _, start_us, length_us, thread in nodes]
    ranges = [
        ((start - BEGAN_NS) // 1000, (end - BEGAN_NS) // 1000, thread)
        for start, end, _, thread in read(render_nvtxt(timeline))
    ]
    assert sorted((start, thread) for start, _, thread in ranges) == sorted(
        (start, thread) for start, _, thread in placed
    )
    if not any(a < c < b < d for a, b, one in placed for c, d, other in placed if one == other):
        assert sorted(ranges) == sorted(placed)
    assert all(any(start == a and end <= b for a, b, _ in placed) for start, end, _ in ranges)


def test_without_a_recording_there_is_nothing_to_merge_into() -> None:
    with pytest.raises(UsageError, match="name its export with --nsys"):
        render_nvtxt(load_bundle(RECORDED / "missing-wait-own.zip"))


def test_without_a_profile_there_is_no_node() -> None:
    with pytest.raises(UsageError, match="no node to write"):
        render_nvtxt(load_files(nsys=[DATA / "h100-nsys" / "capture.sqlite.gz"]))


def test_a_recording_whose_clock_is_in_doubt_is_refused() -> None:
    timeline = small()
    number = next(at for at, source in enumerate(timeline.sources) if source.began_ns is not None)
    doubt = Problem(kind=ProblemKind.CLOCK_DOUBT, detail="it may be another", source=number)
    with pytest.raises(UsageError, match="its clock can't be told"):
        render_nvtxt(replace(timeline, problems=(*timeline.problems, doubt)))


def test_a_profile_whose_place_is_not_known_is_left_out(tmp_path: Path) -> None:
    scene = Scene().call("cudaGetDevice", 0, 1)
    scene.profile().run(1, 100).node("/conv", 10, 20)
    trace = read_kineto(TraceFile.at(scene.write_trace(tmp_path)))
    export = Export().write(tmp_path / "app.sqlite", [trace])
    timeline = load_files(ort=[scene.write_profile(tmp_path, 0)], nsys=[export])
    assert len(timeline.spans.of_kind(Kind.ORT_NODE)) == 1
    with pytest.raises(UsageError, match="no node to write"):
        render_nvtxt(timeline)


def test_the_command_says_how_to_merge(tmp_path: Path) -> None:
    export = RECORDED / "missing-wait.sqlite.gz"
    done = ortprobe(
        "report", RECORDED / "missing-wait-nsys.zip", "--nsys", export, "-o", "my nodes.nvtxt", cwd=tmp_path
    )
    assert done.stderr.rstrip().endswith(merge_line(export, Path("my nodes.nvtxt")))
    assert (tmp_path / "my nodes.nvtxt").read_bytes() == render_nvtxt(on_an_h200())
    assert merge_line(Path("x/a.b.sqlite.gz"), Path("my nodes.nvtxt")) == (
        "ImportNvtxt --cmd merge -i x/a.b.nsys-rep -n 'my nodes.nvtxt' -o x/a.b-nodes.nsys-rep --target 0:1"
    )
    refused = ortprobe("report", RECORDED / "missing-wait-own.zip", "-o", "x.nvtxt", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
