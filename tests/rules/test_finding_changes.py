"""Findings that came, went, stayed, and those of which nobody can tell."""

from __future__ import annotations

from pathlib import Path

import captures
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle
from ortprobe.rules import Judgement, judge
from ortprobe.rules.finding_changes import FindingChange, FindingStatus, compare_findings


def re_created(folder: Path, times: int) -> Judgement:
    """A session that set_providers builds again so often."""
    scene = Scene().session(0, 0, 100)
    for number in range(times + 1):
        start = 10_000 * number
        if number:
            scene.hook("set_providers", start - 10, 320, session=number, site="app.py:12")
            scene.session(number, start, 300, reason="set_providers", replaces=number - 1, site="app.py:12")
        for run in range(4):
            scene.hook("run", start + 1000 + 100 * run, 10, session=number)
    return judge(Analyses(scene.load(folder)))


def of_code(changes: tuple[FindingChange, ...], code: str) -> FindingChange:
    (found,) = (each for each in changes if each.code == code)
    return found


@pytest.fixture
def healthy(tmp_path) -> Judgement:
    return re_created(tmp_path / "healthy", 0)


@pytest.fixture
def faulty(tmp_path) -> Judgement:
    return re_created(tmp_path / "faulty", 2)


def test_a_finding_that_came_and_one_that_went(healthy, faulty):
    came, went = (of_code(compare_findings(*sides), "S1") for sides in (([healthy], [faulty]), ([faulty], [healthy])))
    assert (came.status, came.captures, came.before) == (FindingStatus.NEW, (0, 1), None)
    assert (went.status, went.captures, went.after) == (FindingStatus.FIXED, (1, 0), None)
    assert came.shown == went.shown


def test_a_finding_that_stayed(faulty):
    found = of_code(compare_findings([faulty], [faulty, faulty]), "S1")
    assert (found.status, found.captures) == (FindingStatus.SAME, (1, 2))


def test_without_findings_nothing_changed(healthy):
    assert compare_findings([healthy], [healthy]) == ()


def test_where_the_rule_could_not_look_nothing_was_fixed():
    racy = judge(captures.example("missing-wait"))
    blind = judge(Analyses(load_bundle(captures.DATA / "h100-service.ortprobe")))
    came = {each.code: each.status for each in compare_findings([blind], [racy])}
    unseen = {judged.rule.code for judged in blind.judged if getattr(judged.outcome, "evidence_missing", False)}
    found = {finding.code for finding in racy.findings}
    on_one_side = {code: status for code, status in came.items() if status is not FindingStatus.SAME and code in found}
    assert on_one_side
    for code, status in on_one_side.items():
        assert status is (FindingStatus.CANT_TELL if code in unseen else FindingStatus.NEW)
