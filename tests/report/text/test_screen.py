"""The report on one screen."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import captures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from scene import Scene
from screens import GOLDEN, RECORDINGS, screen_of

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.coverage import recorded_windows
from ortprobe.ingest import load_bundle, load_files
from ortprobe.report.report import Report
from ortprobe.report.text import render_screen
from ortprobe.report.text.screen.devices import devices_section
from ortprobe.report.text.screen.runs import runs_section
from ortprobe.report.text.sparkline import BLOCKS
from ortprobe.rules import Judgement, judge
from ortprobe.timeline import Child, Problem, ProblemKind, Timeline
from ortprobe.timeline.intervals import clip, total_ns, union

WIDTHS = (80, 100, 160)
MOST_LINES = 45
BUNDLES = sorted(
    path
    for pattern in ("*.ortprobe", "*/*.ortprobe", "*/*.zip")
    for path in captures.DATA.glob(pattern)
)  # fmt: skip
ESCAPE = "\x1b"
HOSTILE = f"[bold red]{ESCAPE}[2Jboo[/]\nbelow\u202e"


def screen(judgement: Judgement, width: int = 100, **options: object) -> str:
    out = io.StringIO()
    render_screen(judgement, Console(file=out, width=width, **options))
    return out.getvalue()


def of(timeline: Timeline, width: int = 100) -> str:
    return screen(judge(Analyses(timeline)), width)


def fits(judgement: Judgement) -> bool:
    for width in WIDTHS:
        lines = screen(judgement, width).splitlines()
        assert max(map(cell_len, lines)) <= width
        assert len(lines) <= MOST_LINES
        assert lines[-1].startswith("next: ")
        assert lines[-1].endswith("-o NAME.html")
        assert not any("not meas…" in line or "  …  " in line for line in lines)
    return True


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_recording_fits_on_one_screen(bundle: Path):
    assert fits(judge(Analyses(load_bundle(bundle))))


def bare_files() -> Iterator[Timeline]:
    nodes = captures.DATA / "ort-versions" / "1.32.0"
    trace = captures.DATA / "torch-cpu" / "2.13.0" / "plain.json.gz"
    yield load_files(ort=[nodes / "subgraphs.json.gz"])
    yield load_files(ort=[nodes / "plain.json.gz"])
    yield load_files(torch=[trace])
    yield load_files(torch=[captures.RESNET / "kineto.json.gz"])
    yield captures.resnet()
    yield captures.racy()
    yield load_files(nsys=[captures.DATA / "h200-nsys" / "missing-wait.sqlite.gz"])
    yield load_files(nsys=[captures.DATA / "h100-nsys" / "capture.sqlite.gz"])


def test_bare_files_fit_on_one_screen():
    assert [fits(judge(Analyses(timeline))) for timeline in bare_files()] == [True] * 8


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_screens_of_recordings_are_those_that_were_read(name: str):
    assert screen_of(name) == (GOLDEN / f"{name}.txt").read_text()


def parts_of_busy_line(lines: Sequence[str], device: int = 0) -> list[str]:
    """The blocks of each recorded stretch."""
    at = next(row for row, line in enumerate(lines) if line.startswith(f"GPU {device}"))
    return lines[at + 1].split()


def drawn_shares(timeline: Timeline, device: int, columns: Sequence[int]) -> str:
    """What must be drawn for the recorded stretches, cut into so many equal columns each."""
    ops = timeline.device_ops
    rows = ops.span[ops.device == device]
    busy = union(timeline.spans.start_ns[rows], timeline.spans.end_ns[rows])
    shares = []
    for first, last, count in zip(*recorded_windows(timeline), columns, strict=True):
        edges = [int(first) + (int(last) - int(first)) * column // count for column in range(count + 1)]
        shares += [total_ns(clip(busy, low, high)) / (high - low) for low, high in pairwise(edges)]
    most = max(shares)
    return "".join(BLOCKS[7 if share == most else min(6, int(7 * (share / most)))] for share in shares)


@pytest.mark.parametrize("name", ["set-providers", "missing-wait", "healthy"])
@settings(max_examples=12, deadline=None)
@given(width=st.integers(80, 220))
def test_each_column_is_as_high_as_its_stretch_was_busy(name: str, width: int):
    analyses = captures.example(name)
    lines = [line.plain for line in devices_section(analyses, width)]
    parts = parts_of_busy_line(lines)
    assert "".join(parts) == drawn_shares(analyses.timeline, 0, [len(part) for part in parts])
    assert sum(map(len, parts)) >= 0.9 * width - 6, "the width is used"


KERNELS = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 90)), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(kernels=KERNELS)
def test_columns_of_any_kernels_are_as_high_as_their_stretch_was_busy(kernels):
    scene = Scene().call("cudaFree", 0, 1)
    for number, (start_us, dur_us) in enumerate(kernels):
        scene.launch("k", 2, 3 + start_us, dur_us, number + 1, stream=7 + number)
    with TemporaryDirectory() as folder:
        timeline = scene.load(Path(folder))
    (part,) = parts_of_busy_line([line.plain for line in devices_section(Analyses(timeline), 100)])
    assert part == drawn_shares(timeline, 0, [len(part)])


@settings(max_examples=20, deadline=None)
@given(width=st.integers(80, 220))
def test_each_column_of_latency_is_the_slowest_run_of_its_stretch(width: int):
    analyses = captures.example("missing-wait")
    latency_ns = analyses.runs.latency_ns
    lines = [line.plain for line in runs_section(analyses, width)]
    (blocks,) = (line.strip() for line in lines if set(line.strip()) <= set(BLOCKS))
    columns = min(len(latency_ns), width - 2)
    assert len(blocks) == columns
    slowest = [int(part.max()) for part in np.split(latency_ns, len(latency_ns) * np.arange(1, columns) // columns)]
    order = np.argsort(slowest, kind="stable")
    levels = np.array([BLOCKS.index(block) for block in blocks])
    assert (np.diff(levels[order]) >= 0).all()
    assert np.flatnonzero(levels == 7).tolist() == [int(np.argmax(slowest))]
    assert any("logarithmic" in line for line in lines)


def spoilt(kind: ProblemKind) -> Judgement:
    problem = Problem(kind=kind, detail="planted", count=100_000)
    return judge(Analyses(replace(captures.example("healthy").timeline, problems=(problem,))))


def test_what_can_not_be_told_is_not_drawn():
    lost = screen(spoilt(ProblemKind.LAUNCHES_WITHOUT_WORK))
    assert "GPU  busy and idle time: can't tell, because kernels are missing" in lost
    assert "busy share" not in lost
    assert "of GPU time" not in lost
    assert "by host time: can't tell, because kernels are missing" in lost
    assert "latency in order" in lost
    stepped = screen(spoilt(ProblemKind.CLOCK_STEPPED))
    assert "Runs  161, how long they took: can't tell, because the wall clock was set" in stepped.replace("\n  ", " ")
    assert not set(BLOCKS[:-1]) & set(stepped)
    assert "median" not in stepped
    sessions = stepped.partition("Sessions")[2].partition("Runs")[0].splitlines()[1]
    assert sessions.split()[-5:] == ["–", "161", "–", "–", "–"]
    for kind in (ProblemKind.LAUNCHES_WITHOUT_WORK, ProblemKind.CLOCK_STEPPED):
        assert fits(spoilt(kind))


def test_a_stretch_in_which_work_was_lost_is_blank():
    timeline = captures.example("healthy").timeline
    (start_ns,), (end_ns,) = recorded_windows(timeline)
    middle_ns = int(start_ns + end_ns) // 2
    problem = Problem(kind=ProblemKind.LOST_HEAD, detail="planted", count=1, end_ns=middle_ns)
    lines = of(replace(timeline, problems=(problem,))).splitlines()
    at = next(row for row, line in enumerate(lines) if line.startswith("GPU 0"))
    blank = len(lines[at + 1]) - len(lines[at + 1].lstrip())
    assert blank == pytest.approx(50, abs=3)
    assert "blank: can't tell" in "".join(lines[at + 2 : at + 4])


def test_names_from_a_trace_are_data(tmp_path: Path):
    scene = Scene()
    scene.profile().run(10, 50).node(HOSTILE, 20, 20, op="[link=http://x]Conv")
    shown = of(scene.load(tmp_path / "bare"))
    assert "[bold red]" in shown
    assert "[link=http://x]Conv" in shown
    scene = Scene().session(0, 0, 100, error=HOSTILE).session(1, 200, 100, outputs=(HOSTILE,), site=f"{HOSTILE}:3")
    scene.hook("io_binding", 400, 1, session=1, binding=0)
    for address in (4096, 8192):
        scene.hook("bind_output", 500 + address / 100, 1, binding=0, buffer=HOSTILE, write_address=address)
    scene.hook("run_with_iobinding", 1000, 10, session=1, binding=0, site=f"{HOSTILE}.py:1")
    scene.call("cudaStreamSynchronize", 1002, 4, 3).wait("Stream Sync", 1002, 4, 3, stream=7)
    found = judge(Analyses(scene.launch(HOSTILE, 1001, 1003, 2, 1).load(tmp_path / "bundle")))
    assert fits(found)
    for text in (shown, screen(found), screen(found, force_terminal=True, no_color=True)):
        assert not {"\x07", "\r", "\u202e"} & set(text)
        assert f"{ESCAPE}[2J" not in text
        assert not any(line.startswith("below") for line in text.splitlines())


def test_wide_names_keep_to_the_width(tmp_path: Path):
    scene = Scene()
    scene.profile().run(10, 50).node("畳み込み" * 40, 20, 20, op="演算" * 30)
    assert fits(judge(Analyses(scene.load(tmp_path))))


def test_colour_is_not_needed(monkeypatch: pytest.MonkeyPatch):
    judgement = judge(captures.example("missing-wait"))
    plain = screen(judgement)
    assert ESCAPE not in plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert f"{ESCAPE}[1;31m" not in screen(judgement, force_terminal=True)
    monkeypatch.delenv("NO_COLOR")
    coloured = screen(judgement, force_terminal=True)
    assert f"{ESCAPE}[1;31mY1 error" in coloured
    assert "Y1 error" in plain


def test_findings_beyond_the_first_are_counted_and_the_gravest_comes_first():
    judgement = judge(captures.example("missing-wait"))
    (first, *_) = judgement.findings
    many = replace(judgement, findings=(*judgement.findings, *(replace(first, code=f"X{n}") for n in range(9))))
    lines = screen(many).splitlines()
    at = next(row for row, line in enumerate(lines) if line.startswith("Findings, 5 of 12"))
    assert [line.split()[0] for line in lines[at + 1 : at + 6]] == ["Y1", "B1", "F1", "X0", "X1"]
    assert fits(many)


def test_every_gpu_is_shown_or_counted(tmp_path: Path):
    scene = Scene().call("cudaFree", 0, 1)
    for device in range(5):
        for number in range(4):
            scene.launch("k", 5 + 20 * number, 10 + 20 * number + device, 10, 1 + number + 10 * device, device=device)
    judgement = judge(Analyses(scene.load(tmp_path)))
    assert fits(judgement)
    lines = screen(judgement).splitlines()
    assert [line[:5] for line in lines if line.startswith("GPU ")] == ["GPU 0", "GPU 1", "GPU 2"]
    assert any(line.startswith("Other GPUs  3 busy ") and ", 4 busy " in line for line in lines)


def test_more_stretches_than_columns_are_counted():
    device = captures.example("set-providers").idle.devices[0]
    assert len(recorded_windows(captures.example("set-providers").timeline)[0]) == 2
    lines = [line.plain for line in devices_section(captures.example("set-providers"), 11)]
    assert device.busy_ns
    assert "the first 1 of 2 recorded stretches" in " ".join(" ".join(lines).split())


def test_no_gpu_and_no_runs_are_said(tmp_path: Path):
    scene = Scene()
    scene.profile().run(10, 50).node("a", 20, 20, provider="CPUExecutionProvider")
    assert "GPU  no trace of one in this capture" in of(scene.load(tmp_path / "cpu"))
    nothing = of(Scene().session(0, 0, 100).load(tmp_path / "no-runs"))
    assert "Runs  none was captured" in nothing
    assert "latency in order" not in nothing


def test_children_are_counted():
    timeline = captures.example("healthy").timeline
    children = tuple(Child(process=n, bundle=f"children/{n}", sessions=1, runs=50) for n in (7, 8))
    shown = of(replace(timeline, capture=replace(timeline.capture, children=children)))
    assert "Child processes  2 with 100 runs, each a bundle of its own: children/" in shown


def test_the_phases_of_the_median_run_are_a_bar_of_its_latency():
    analyses = captures.example("set-providers")
    lines = [line.plain for line in runs_section(analyses, 100)]
    (row,) = (number for number, line in enumerate(lines) if line.startswith("  median traced run 15, 808 µs: "))
    cells = lines[row].partition(": ")[2]
    assert len(lines[row]) == 100
    assert cells.count("█") / len(cells) == pytest.approx(0.94, abs=0.01)
    legend = " ".join("".join(lines[row + 1 :]).split())
    assert "█ launching nodes 760 µs 94.0 %" in legend
    assert cells == "".join(sorted(cells, key=legend.index)), "in the order of the legend, which is that of the phases"


def test_the_report_gives_the_screen_as_text():
    report = Report(judge(captures.example("set-providers")))
    assert report.render("text").decode() == screen(report.judgement)
    assert len(report.render("details").splitlines()) > 2 * len(report.render("text").splitlines())


def test_work_lost_all_over_the_recording_leaves_nothing_to_draw():
    timeline = captures.example("healthy").timeline
    problem = Problem(kind=ProblemKind.LOST_HEAD, detail="planted", count=1, end_ns=timeline.end_ns + 1)
    shown = of(replace(timeline, problems=(problem,)))
    assert "busy share over time: can't tell, work was lost all over the recording" in shown
    assert "▁ 0 to █" not in shown.partition("GPU 0")[2]


@pytest.mark.parametrize("width", [1, 10, 30, 60])
def test_a_terminal_narrower_than_any_gets_shorter_lines(width: int):
    lines = screen(judge(captures.example("set-providers")), width).splitlines()
    assert max(map(cell_len, lines)) <= width
