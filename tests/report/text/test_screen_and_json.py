"""The screen and `findings.json` say the same of a capture, figure by figure."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import captures
import pytest
from rich.console import Console

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.ingest import load_bundle, load_files
from ortprobe.report.findings_json import findings_json
from ortprobe.report.run_wording import ratio_text
from ortprobe.report.text import render_screen
from ortprobe.report.wording import CAUSE_LABELS
from ortprobe.rules import judge
from ortprobe.timeline import Problem, ProblemKind, Timeline
from ortprobe.units import format_ns, format_ratio

_WIDE = 3000
"""Wide enough for every fact of these recordings on one line, whole."""


def spoilt(kind: ProblemKind) -> Timeline:
    return replace(
        captures.example("healthy").timeline, problems=(Problem(kind=kind, detail="planted", count=100_000),)
    )


TIMELINES: Mapping[str, Callable[[], Timeline]] = {
    "set-providers": lambda: captures.example("set-providers").timeline,
    "missing-wait": lambda: captures.example("missing-wait").timeline,
    "resnet": captures.resnet,
    "service": captures.service,
    "graph": lambda: captures.recorded("graph"),
    "encoder-cpu-nodes": lambda: captures.workload("encoder-cpu-nodes"),
    "two GPUs": lambda: load_bundle(next((captures.DATA / "h200-two-gpus").glob("*.zip"))),
    "nsys": lambda: load_files(nsys=[captures.DATA / "h200-nsys" / "missing-wait.sqlite.gz"]),
    "work was lost": lambda: spoilt(ProblemKind.LAUNCHES_WITHOUT_WORK),
    "the clock was stepped": lambda: spoilt(ProblemKind.CLOCK_STEPPED),
}


@cache
def both(name: str) -> tuple[Sequence[str], dict[str, Any]]:
    """The lines of the screen, and the document."""
    judgement = judge(Analyses(TIMELINES[name]()))
    out = io.StringIO()
    render_screen(judgement, Console(file=out, width=_WIDE))
    return out.getvalue().splitlines(), json.loads(findings_json(judgement))


def section(lines: Sequence[str], title: str) -> list[list[str]]:
    """The cells of the lines below a title that are set in from it, and of the title's own."""
    at = next((row for row, line in enumerate(lines) if re.match(rf"{title}\b", line)), len(lines))
    until = next((row for row in range(at + 1, len(lines)) if not lines[row].startswith("  ")), len(lines))
    return [re.split(r"\s{2,}", line.strip()) for line in lines[at:until]]


def shown(time_ns: int | None) -> str:
    return "–" if time_ns is None else format_ns(time_ns)


@pytest.fixture(params=TIMELINES)
def pair(request: pytest.FixtureRequest) -> tuple[Sequence[str], dict[str, Any]]:
    return both(request.param)


def test_the_verdict_is_one(pair):
    lines, document = pair
    assert lines[0] == document["verdict"]


def test_findings_have_their_costs(pair):
    lines, document = pair
    _, *rows = section(lines, "Findings") or [[]]
    assert len(rows) == min(5, len(document["findings"]))
    for row, finding in zip(rows, document["findings"], strict=False):
        costs = [shown(finding["cost_ns"]), shown(finding["cost_per_run_ns"])]
        assert row[:4] == [f"{finding['code']} {finding['severity']}", finding["title"], *costs]


def test_runs_have_their_times(pair):
    lines, document = pair
    summary, ratio = document["summary"], document["overhead"]["ratio"]
    (_, *facts), *_ = section(lines, "Runs")
    told = ", ".join(facts)
    if not summary["runs"]:
        assert told == "none was captured"
        return
    assert told.startswith(f"{summary['runs']:,}")
    latency = {
        name: time_ns for name, time_ns in summary["latency_ns"].items() if name not in ("p50", "untraced_median")
    }
    if all(time_ns is None for time_ns in latency.values()):
        assert "how long they took: can't tell" in told
        return
    times = [f"{name} {format_ns(time_ns)}" for name, time_ns in latency.items() if time_ns is not None]
    pace_ns = summary["period_ns"]["median"]
    pace = [f"one begins every {format_ns(pace_ns)}"] if pace_ns is not None else []
    tracing = [f"tracing {ratio_text(ratio)}"] if ratio is not None else []
    assert told.partition(", ")[2] == ", ".join([*times, *pace, *tracing])


def test_sessions_have_their_lives(pair):
    lines, document = pair
    lives = {str(life["session"]): life for life in document["summary"]["session_lives"]}
    head, *rows = section(lines, "Sessions") or [[]]
    assert len([row for row in rows if row[0][0].isdigit()]) == min(3, len(lives))
    for row in rows:
        if row[0][0].isdigit():
            life = lives[row[0].split()[0]]
            cells = dict(zip(head[1:], row[1:], strict=True))
            assert cells["creation"] == shown(life["creation_ns"])
            assert cells["runs"] == f"{life['runs']:,}"
            assert cells["re-init cost"] == shown(life["re_init_cost_ns"])


def test_devices_have_their_busy_time_and_idle_time_by_cause(pair):
    lines, document = pair
    for device in document["summary"]["devices"]:
        if device["busy_ns"] is None:
            assert "can't tell" in section(lines, "GPU")[0][1]
            continue
        head, *rows = section(lines, f"GPU {device['device']}")
        share = format_ratio(device["busy_ns"], device["window_ns"])
        busy = f"busy {format_ns(device['busy_ns'])} of {format_ns(device['window_ns'])} ({share})"
        assert head[1] == f"{busy}; idle {format_ns(device['idle_ns'])}, by cause below"
        left = {CAUSE_LABELS[IdleCause(cause)]: time_ns for cause, time_ns in device["idle_by_cause"].items()}
        told = [row for row in rows if row[0] in left or "other causes" in row[0]]
        for label, *cells in told:
            time_ns = left.pop(label) if label in left else sum(left.values())
            assert cells[:2] == [format_ns(time_ns), format_ratio(time_ns, device["idle_ns"])]
        assert told[-1][0] == f"{len(left)} other causes" if left else told


def test_waits_are_as_many(pair):
    lines, document = pair
    head, *_ = section(lines, "Waits") or [[""]]
    count = document["summary"]["waits"]["count"]
    assert head[0].partition(" of ")[2] == (f"{count:,}" if count else "")


def test_as_much_is_missing(pair):
    lines, document = pair
    told = section(lines, "Not captured, not judged")
    problems = [problem["kind"] for problem in document["integrity"]["problems"]]
    named = told[0][1].partition(": ")[2].split(", ") if told else []
    assert named[: len(problems)] == problems
    assert int(told[0][1].partition(":")[0]) == len(named) if told else not problems
