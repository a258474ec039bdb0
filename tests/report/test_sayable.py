"""Figures that can't be told are not told, in any form of the report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache

import captures
import pytest

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.charts import build_charts
from ortprobe.report.findings_json import findings_json
from ortprobe.report.html.findings import problem_views
from ortprobe.report.html.sections import key_figures, tracing_sentence
from ortprobe.report.html.tables import build_tables
from ortprobe.report.markdown import render_markdown
from ortprobe.report.report import Report
from ortprobe.report.text.details import waits
from ortprobe.rules import Judgement, judge
from ortprobe.timeline import NONE, Problem, ProblemKind, Timeline
from ortprobe.units import NOT_MEASURED

LATE_NS = 1_000_000_000


def spoilt(kind: ProblemKind, count: int = 100_000) -> Judgement:
    """A sound capture, had it this problem."""
    timeline = captures.example("healthy").timeline
    kernels = timeline.device_ops.span
    problem = Problem(kind=kind, detail="planted", count=count, evidence=(int(kernels[3]),))
    return judge(Analyses(replace(timeline, problems=(problem,))))


@cache
def sound() -> Judgement:
    return judge(Analyses(captures.example("healthy").timeline))


def text(judgement: Judgement) -> str:
    return Report(judgement).render("details").decode()


def document(judgement: Judgement) -> dict:
    return json.loads(findings_json(judgement))


def test_idle_time_that_can_not_be_told_is_nowhere_a_number():
    judgement = spoilt(ProblemKind.LAUNCHES_WITHOUT_WORK)
    (device,) = document(judgement)["summary"]["devices"]
    unknown = {name for name, value in device.items() if value is None}
    assert unknown == {"busy_ns", "idle_ns", "idle_by_cause", "idle_without_tracing", "idle_by_line", "streams"}
    for shown in (text(judgement), render_markdown(judgement).replace("\\", "")):
        assert "can't tell, because kernels are missing" in shown
        assert "of idle" not in shown
    assert {fact.term: fact.value for fact in key_figures(judgement)}["GPU 0 busy"] == NOT_MEASURED
    idle = next(chart for chart in build_charts(judgement) if chart.key == "idle")
    assert idle.figure is None
    for table in build_tables(judgement):
        if table.key in ("gaps", "idle-lines"):
            assert not table.keys
            assert "can't tell" in table.note


def test_the_same_figures_of_a_sound_capture_are_numbers():
    (device,) = document(sound())["summary"]["devices"]
    assert device["busy_ns"] + device["idle_ns"] == device["window_ns"]
    assert "of idle" in text(sound())
    assert "can't tell" not in text(sound())
    assert next(table for table in build_tables(sound()) if table.key == "gaps").keys


def test_gpu_time_of_nodes_that_can_not_be_told_is_not_measured():
    judgement = spoilt(ProblemKind.CORRELATION_REUSED)
    nodes = next(table for table in build_tables(judgement) if table.key == "nodes")
    (gpu_time,) = (column for column in nodes.columns if column.label == "GPU time")
    assert set(gpu_time.values) == {None}
    assert Report(judgement).nodes()["device_ns"].isna().all()
    assert not Report(sound()).nodes()["device_ns"].isna().all()
    assert "by host time: can't tell, because two calls share a correlation id" in " ".join(text(judgement).split())


def test_what_tracing_cost_is_not_told_when_the_clock_was_set():
    judgement = spoilt(ProblemKind.CLOCK_STEPPED)
    assert set(document(judgement)["overhead"].values()) == {None}
    assert set(document(judgement)["summary"]["latency_ns"].values()) == {None}
    assert "can't tell" in tracing_sentence(judgement)
    assert document(sound())["overhead"]["ratio"] > 1


def first_run_lost(timeline: Timeline) -> Timeline:
    problem = Problem(
        kind=ProblemKind.LOST_HEAD, detail="planted", start_ns=int(timeline.runs.start_ns[0]),
        end_ns=int(timeline.runs.end_ns[0]),
    )  # fmt: skip
    return replace(timeline, problems=(problem,))


def test_a_run_in_a_stretch_with_losses_has_no_gpu_time_and_the_others_have():
    timeline = captures.resnet()
    before = Analyses(timeline).runs.device_busy_ns
    busy = Report(judge(Analyses(first_run_lost(timeline)))).runs()["device_busy_ns"]
    assert NONE not in before
    assert busy.isna().tolist() == [True] + [False] * 9


def test_a_problem_comes_with_its_evidence_and_what_it_forbids():
    judgement = spoilt(ProblemKind.WORK_WITHOUT_LAUNCH)
    (problem,) = document(judgement)["integrity"]["problems"]
    (cited,) = problem["evidence"]
    assert set(cited) == {"source", "row", "start_ns", "end_ns", "lane"}
    assert cited["source"] == "torch-0.json.gz"
    assert [(each["claim"], each["whole"]) for each in problem["unsayable"]] == [("node-time", True)]
    (view,) = problem_views(judgement)
    assert view.unsayable == "how long each node took"
    assert [button.key for button in view.evidence] == [f"s{judgement.analyses.timeline.device_ops.span[3]}"]


@pytest.mark.parametrize(("count", "said"), [(1, "in its stretch alone: "), (100_000, "how long the GPU worked, ")])
def test_what_holds_for_a_stretch_alone_is_said_so(count: int, said: str):
    timeline = first_run_lost(captures.example("healthy").timeline)
    (problem,) = timeline.problems
    judgement = judge(Analyses(replace(timeline, problems=(replace(problem, count=count),))))
    (view,) = problem_views(judgement)
    assert view.unsayable.startswith(said)
    assert f"(not to be told: {said}" in " ".join(text(judgement).split())


def test_paths_and_changes_that_can_not_be_told_are_nowhere_numbers():
    judgement = spoilt(ProblemKind.LAUNCHES_WITHOUT_WORK)
    summary = document(judgement)["summary"]
    assert summary["critical_path"] is None
    assert summary["what_if"] is None
    assert "a run would take" not in text(judgement)
    assert "a run would take" not in render_markdown(judgement)
    assert Report(judgement).what_ifs().empty
    tables = {table.key: table for table in build_tables(judgement)}
    for key in ("what-ifs", "paths"):
        assert not tables[key].keys
        assert "can't tell" in tables[key].note
    sounder = {table.key: table for table in build_tables(sound())}
    assert sounder["what-ifs"].keys
    assert sounder["paths"].keys


def of_set_providers(*problems: Problem) -> Judgement:
    return judge(Analyses(replace(captures.example("set-providers").timeline, problems=problems)))


def between(shown: str, first: str, last: str) -> str:
    """From one heading to the next."""
    return shown[shown.index(first) : shown.index(last)]


def times_of_sessions_and_runs(judgement: Judgement) -> list[str]:
    """Every time in what each form of the report says of sessions and of runs."""
    details, markdown = text(judgement), render_markdown(judgement)
    screen = Report(judgement).render("text").decode()
    said = [
        between(details, "\nSessions\n", "\nDevice\n"),
        between(markdown, "## Runs", "## GPU 0"),
        between(screen, "\nSessions", "\nGPU"),
        *(fact.value for fact in key_figures(judgement) if "run" in fact.term),
    ]
    tables = [table for table in build_tables(judgement) if table.key in ("sessions", "runs")]
    assert len(tables) == 2
    said += [
        f"{cell} ns" for table in tables for column in table.columns if column.kind == "ns" for cell in column.values
    ]
    said += [str(chart.figure) for chart in build_charts(judgement) if chart.key == "sessions"]
    return re.findall(r"\d (?:ns|µs|ms|s)\b", "\n".join(said))


def test_times_of_sessions_and_runs_are_nowhere_numbers_when_the_clock_was_set():
    assert len(times_of_sessions_and_runs(of_set_providers())) > 100
    judgement = of_set_providers(Problem(kind=ProblemKind.CLOCK_STEPPED, detail="planted", count=1))
    assert times_of_sessions_and_runs(judgement) == []
    for shown in (text(judgement), render_markdown(judgement).replace("\\", "")):
        assert "can't tell, because the wall clock was set" in shown
    for table in build_tables(judgement):
        if table.key in ("sessions", "runs"):
            assert "times: can't tell, because the wall clock was set" in table.note


def test_waits_that_nobody_can_sum_up_are_no_time(monkeypatch):
    judgement = spoilt(ProblemKind.CLOCK_STEPPED)
    monkeypatch.setattr(waits, "TOP_WAITS", 1)
    assert "more waits: not measured" in text(judgement)
    assert "more waits: 0 ns" not in text(judgement)
    assert "more waits: not measured" not in text(sound())
