"""What the page of a comparison takes from both captures."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from ortprobe.analysis.comparison.comparison import Comparison, compare
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.html.diff.findings import Group, grouped_findings
from ortprobe.report.html.diff.places import Places
from ortprobe.report.html.diff.tables import comparison_tables
from ortprobe.report.html.side import Side, numbered_apart
from ortprobe.report.html.tables.model import Column, Table
from ortprobe.report.rows.marks import Ref
from ortprobe.rules import Judgement, judge
from ortprobe.rules.finding_changes import compare_findings
from tests.captures import example

BEFORE, AFTER = "missing-wait", "healthy"


@cache
def judged(name: str) -> Judgement:
    return judge(example(name))


@cache
def sides() -> tuple[Side, Side]:
    before, after = numbered_apart(
        [
            Side(judgement=judged(name), label=label, view_ns=(0, 1))
            for name, label in ((BEFORE, "before"), (AFTER, "after"))
        ]
    )
    return before, after


@cache
def comparison() -> Comparison:
    return compare([judged(BEFORE).analyses], [judged(AFTER).analyses])


@cache
def tables() -> dict[str, Table]:
    before, after = sides()
    return {table.key: table for table in comparison_tables(comparison(), Places(before), Places(after))}


def column(table: Table, label: str) -> Column:
    return next(each for each in table.columns if each.label == label)


def own_number(key: str, side: Side) -> int:
    return int(key[1:]) - side.first[Ref(key[0])]


@pytest.mark.parametrize("position", [0, 1])
def test_figures_lead_to_the_longest_such_mark_of_their_side(position: int) -> None:
    side = sides()[position]
    timeline = side.timeline
    when = ("before", "after")[position]
    table = tables()["kernels"]
    names = column(table, "Kernel").values
    figures = column(table, f"GPU time {when}")
    ops = timeline.device_ops.span
    duration_ns = timeline.spans.duration_ns
    assert any(figures.keys)
    for name, key, time_ns in zip(names, figures.keys, figures.values, strict=True):
        mine = [span for span in ops.tolist() if timeline.name_of(span) == name]
        assert bool(key) == bool(mine)
        assert not time_ns or key
        if key:
            span = own_number(key, side)
            assert timeline.name_of(span) == name
            assert duration_ns[span] == max(duration_ns[mine])


@pytest.mark.parametrize("position", [0, 1])
def test_nodes_lead_to_their_own_work(position: int) -> None:
    side, table = sides()[position], tables()["nodes-0"]
    timeline = side.timeline
    figures = column(table, f"GPU time {('before', 'after')[position]}")
    changes = comparison().sessions[0].nodes
    assert len(figures.keys) == len(changes)
    for change, key in zip(changes, figures.keys, strict=True):
        (node,) = (change.pair.before, change.pair.after)[position]
        assert timeline.links.node[own_number(key, side)] in node.rows[0]


def test_differences_are_those_of_the_comparison() -> None:
    table = tables()["idle"]
    more = column(table, "Idle more").values
    assert more == [round(each.after_ns - each.before_ns) for each in comparison().idle]
    assert any(more)


def test_the_own_tables_of_each_capture_name_its_marks() -> None:
    for side in sides():
        runs = tables()[f"{side.label}-runs"]
        assert [own_number(key, side) for key in runs.keys] == list(range(len(side.timeline.runs)))
        assert runs.title == f"Runs, {side.label}"


def test_what_cannot_be_said_has_no_rows_and_says_why() -> None:
    """Without its device work a capture says nothing of kernels."""
    poor = replace(comparison(), kernels=(), unsayable={Claim.GPU_TIME: "records were lost"})
    found = {table.key: table for table in comparison_tables(poor, *map(Places, sides()))}
    assert found["kernels"].note == "can't tell, because records were lost"
    assert not found["kernels"].keys


def grouped(before: list[Judgement], after: list[Judgement]) -> dict[str, Group]:
    first = numbered_apart(
        [
            Side(judgement=judgements[0], label=label, view_ns=(0, 1))
            for judgements, label in ((before, "before"), (after, "after"))
        ]
    )
    groups = grouped_findings(compare_findings(before, after), (first[0], first[1]), (before, after))
    return {group.label: group for group in groups}


def test_findings_have_their_evidence_on_the_page() -> None:
    groups = grouped([judged(AFTER)], [judged(BEFORE)])
    second = numbered_apart([Side(judgement=judged(name), label="", view_ns=(0, 1)) for name in (AFTER, BEFORE)])[1]
    new = {change.finding.code: change.finding for change in groups["new"].changes}
    expected = {finding.code: finding for finding in judged(BEFORE).findings}
    assert new
    for code, view in new.items():
        assert [own_number(each.key, second) for each in view.evidence] == list(expected[code].evidence[:8])
        assert view.anchor == f"finding-{code}-after"


def test_findings_of_other_captures_than_those_on_the_page_have_none() -> None:
    groups = grouped([judged(AFTER), judged(BEFORE)], [judged(AFTER)])
    fixed = groups["fixed"].changes
    assert {change.finding.code for change in fixed} == {finding.code for finding in judged(BEFORE).findings} - {
        finding.code for finding in judged(AFTER).findings
    }
    assert all(change.finding.evidence == () for change in fixed)
