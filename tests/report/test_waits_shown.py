"""Waits in every form of the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import captures
import pytest
from scene import Scene

import ortprobe
from ortprobe.analysis.analyses import Analyses
from ortprobe.report.findings_json import findings_json
from ortprobe.report.html.tables.waits import waits_table
from ortprobe.report.report import Report
from ortprobe.rules import Judgement, judge
from ortprobe.timeline import Problem, ProblemKind


def summary(judgement: Judgement) -> dict:
    return json.loads(findings_json(judgement))["summary"]["waits"]


def text(judgement: Judgement) -> str:
    return Report(judgement).render("details").decode().partition("Waits\n")[2].partition("\n\n")[0]


@pytest.fixture
def needless(tmp_path: Path) -> Judgement:
    """Twice a wait of 40 µs for a stream, whose next work is on that very stream; 20 µs for a copy to the host."""
    scene = Scene()
    for number in range(3):
        at_us, correlation = 200 * number, 10 * number
        scene.launch("k", at_us, at_us + 10, 50, correlation + 1)
        scene.hook("synchronize", at_us + 15, 60, site="/somewhere/app.py:12")
        scene.call("cudaStreamSynchronize", at_us + 20, 45, correlation + 2)
        scene.wait("Stream Sync", at_us + 20, 45, correlation + 2, stream=7)
    scene.call("cudaMemcpy", 700, 25, 40).memcpy("Memcpy DtoH (Device -> Pageable)", 705, 15, 40)
    return judge(Analyses(scene.load(tmp_path)))


def test_the_sums_are_told_by_role(needless):
    assert summary(needless) == {
        "count": 4,
        "unresolved": 0,
        "host_stall_ns": {"program": 120_000, "blocking-copy": 20_000},
        "stream_stall_ns": {},
        "not_needed_ns": 120_000,
    }


def test_the_terminal_names_call_place_and_line(needless):
    lines = text(needless).splitlines()
    assert lines[1].split() == [
        "cudaStreamSynchronize", "the", "program", "app.py:12", "3", "120", "µs", "120", "µs"
    ]  # fmt: skip
    assert "nothing on the device that was seen depends on it" in " ".join(text(needless).split())


def test_what_a_problem_makes_unsayable_is_no_figure():
    timeline = captures.example("healthy").timeline
    for kind in (ProblemKind.IMPOSSIBLE_TIMES, ProblemKind.LAUNCHES_WITHOUT_WORK):
        problem = Problem(kind=kind, detail="planted", count=100_000)
        judgement = judge(Analyses(replace(timeline, problems=(problem,))))
        told = summary(judgement)
        assert (told["count"], told["host_stall_ns"], told["not_needed_ns"]) == (130, None, None)
        assert "not measured" in text(judgement)
        assert "can't tell" in text(judgement)
        assert "can't tell" in waits_table(judgement).note


def test_the_page_and_the_frame_say_whose_work_was_waited_for():
    report = ortprobe.load(captures.DATA / "h100-examples" / "healthy.ortprobe")
    table = waits_table(report.judgement)
    columns = {column.label: column.values for column in table.columns}
    (row,) = (
        row
        for row, run in enumerate(columns["Run"])
        if run == 30 and columns["Where"][row] == "end of run, ORT's stream"
    )
    frame = report.waits()
    wait = frame.loc[int(table.keys[row][1:])]
    assert wait.waited_streams == (13,)
    assert wait.waited_node in set(report.nodes().name)
    assert columns["Waited for"][row] == f"stream 13: {wait.waited_node}"
    assert columns["Line"][row] == f"{wait.file}:{wait.line}"
    assert (wait.role, wait.need, wait.stall_ns) == ("run-end-own", "orders-nothing-seen", columns["Stalled"][row])
