"""Checks to render: one that fails in every way, one that passes, one that allows no verdict, one of hostile names."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import captures
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_files
from ortprobe.report.check.subject import Subject
from ortprobe.rules import Judgement, judge
from ortprobe.rules.gate.baseline import judge_growth, judge_times
from ortprobe.rules.gate.budget import parse_budget
from ortprobe.rules.gate.check import Check, check
from ortprobe.rules.gate.policy import parse_policy

ROOT = Path("/work of mine/repo")
SUBJECT = Subject(source="out/trace.ortprobe", root=ROOT)
HOSTILE = "\x1b[31m](http://evil.example) {0} | <script>alert(1)</script>\n# head ]]> &amp; @team \u202e\x00"


@cache
def failing() -> Check:
    """S1 is ignored, F1 fails, so do one budget and growth; another budget and B4 can't be told. Runs are faster."""
    budgets = parse_budget({"re_inits": 0, "p99": "1 ms", "races": 0}, "budget.toml")
    judgement = judge(captures.example("set-providers"))
    baseline = captures.example("healthy")
    growth = judge_growth(judgement.analyses, baseline, "base.ortprobe")
    growth = (*growth, judge_times(judgement.analyses, baseline, "base.ortprobe", 0.05))
    return check(judgement, parse_policy(["F1", "B4"], ["S1"]), budgets, growth)


@cache
def racing() -> Check:
    """Errors with two lines each."""
    return check(judge(captures.example("missing-wait")), parse_policy(["warning"], []))


@cache
def passing() -> Check:
    return check(
        judge(captures.example("healthy")), parse_policy(["warning"], []), parse_budget({"races": 0}, "b.toml")
    )


@cache
def blind() -> Check:
    """A profile and a trace of two programs."""
    ort, torch = captures.RACE / "racy_ort.json.gz", captures.RESNET / "kineto.json.gz"
    return check(judge(Analyses(load_files(ort=[ort], torch=[torch]))), parse_policy(["warning"], []))


@cache
def unhooked() -> Check:
    """Bare files against a bundle: most of it can't be told."""
    judgement = judge(Analyses(captures.resnet()))
    growth = judge_growth(judgement.analyses, captures.example("healthy"), "base.ortprobe")
    return check(judgement, parse_policy(["error"], []), parse_budget({"sessions": 2}, "b.toml"), growth)


def hostile(folder: Path) -> Check:
    """Names of files, models and nodes that would break out of a format, or make it link, colour or mention."""
    site = f"/work of mine/repo/{HOSTILE}.py:12"
    scene = Scene()
    scene.profile().run(1100, 90).node(HOSTILE, 1110, 20, provider="CPUExecutionProvider")
    scene.session(0, 0, 100, site=site, providers=("CPUExecutionProvider",), model=HOSTILE)
    scene.hook("set_providers", 9_990, 320, session=1, site=site)
    scene.session(1, 10_000, 300, reason="set_providers", replaces=0, site=site, model=HOSTILE)
    scene.hook("run", 1095, 100, session=0, site=site, attached=1)
    for number in range(3):
        scene.hook("run", 20_000 + 1000 * number, 100, session=1, site=site)
    judgement: Judgement = judge(Analyses(scene.load(folder)))
    budgets = parse_budget({"re_inits": 0, "sessions": 0, "cpu_nodes": 0}, HOSTILE)
    return check(judgement, parse_policy(["info"], []), budgets)


CHECKS = {"failing": failing, "racing": racing, "passing": passing, "blind": blind, "unhooked": unhooked}
