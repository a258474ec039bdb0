"""Tables of kernels and of findings, against the recordings and the findings themselves."""

from __future__ import annotations

from dataclasses import replace

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.html.tables.findings import findings_table
from ortprobe.report.html.tables.kernels import kernels_table
from ortprobe.report.html.tables.model import Cell, Table
from ortprobe.rules import judge
from ortprobe.timeline import Kind, Problem, ProblemKind, Timeline
from ortprobe.units import format_ratio


def column(table: Table, label: str) -> list[Cell]:
    return list(next(each.values for each in table.columns if each.label == label))


def kernels_of(timeline: Timeline) -> Table:
    return kernels_table(judge(Analyses(timeline)))


@pytest.mark.parametrize("name", ["missing-wait", "set-providers"])
def test_each_kernel_has_its_count_times_nodes_and_streams(name: str):
    timeline = captures.example(name).timeline
    table, frames = kernels_of(timeline), timeline.to_pandas()
    spans = frames.spans.assign(
        node=timeline.links.node, stream=[timeline.lanes[lane].stream for lane in timeline.spans.lane]
    )
    kernels = spans[timeline.spans.kind == Kind.KERNEL].assign(took_ns=lambda each: each.end_ns - each.start_ns)
    expected = {
        kernel: (len(own), own.took_ns.sum(), own.took_ns.sum() // len(own), own.took_ns.max(),
                 own.node[own.node >= 0].nunique(), ", ".join(map(str, sorted(own.stream.unique()))))
        for kernel, own in kernels.groupby(np.array(timeline.names)[timeline.spans.name[kernels.index]])
    }  # fmt: skip
    labels = ("Count", "Total", "Mean", "Longest", "Nodes", "Streams")
    rows = zip(column(table, "Kernel"), *(column(table, label) for label in labels), strict=True)
    assert {kernel: tuple(figures) for kernel, *figures in rows} == expected
    assert column(table, "Total") == sorted(column(table, "Total"), reverse=True)
    for key, kernel, longest_ns in zip(table.keys, column(table, "Kernel"), column(table, "Longest"), strict=True):
        shown = int(key[1:])
        assert timeline.name_of(shown) == kernel
        assert timeline.spans.duration_ns[shown] == longest_ns


def test_a_kernel_on_two_streams_at_once_takes_its_share_of_busy_time_once(tmp_path):
    scene = Scene().launch("twice", 0, 10, 20, 1).launch("twice", 3, 20, 20, 2, stream=9).launch("once", 5, 50, 10, 3)
    table = kernels_of(scene.load(tmp_path))
    assert column(table, "Kernel") == ["twice", "once"]
    assert column(table, "Total") == [40_000, 10_000]
    assert column(table, "of busy time") == [format_ratio(3, 4), format_ratio(1, 4)]
    assert column(table, "Streams") == ["7, 9", "7"]


def test_kernels_of_one_name_on_two_devices_are_two_rows(tmp_path):
    scene = Scene().launch("k", 0, 10, 20, 1, device=0).launch("k", 3, 20, 30, 2, device=1)
    table = kernels_of(scene.load(tmp_path))
    assert (column(table, "GPU"), column(table, "Total")) == ([1, 0], [30_000, 20_000])
    assert column(table, "of busy time") == ["100.0 %", "100.0 %"]


def test_of_very_many_kernels_the_dearest_are_shown(tmp_path):
    scene = Scene()
    for number in range(600):
        scene.launch(f"kernel {number}", 100 * number, 100 * number + 5, 1 + number / 100, number + 1)
    table = kernels_of(scene.load(tmp_path))
    assert len(table.keys) == 500
    assert column(table, "Kernel")[0] == "kernel 599"
    assert table.note == "the dearest 500 of 600 kernels; 100 more"


def test_kernels_whose_time_can_not_be_told_are_no_rows():
    timeline = captures.example("healthy").timeline
    for kind, rows in ((ProblemKind.IMPOSSIBLE_TIMES, 0), (ProblemKind.NO_ORT_PROFILE, None)):
        table = kernels_of(replace(timeline, problems=(Problem(kind=kind, detail="planted", count=100_000),)))
        assert (len(table.keys) == 0) == (rows == 0)
        assert ("can't tell" in table.note) == (rows == 0)


def test_the_table_of_findings_has_them_in_their_ranking():
    judgement = judge(captures.example("missing-wait"))
    table = findings_table(judgement)
    assert len(judgement.findings) > 1
    assert column(table, "Code") == [finding.code for finding in judgement.findings]
    assert column(table, "Count") == [finding.count for finding in judgement.findings]
    assert column(table, "Cost") == [finding.cost_ns for finding in judgement.findings]
    race = column(table, "Code").index("Y1")
    assert column(table, "Rule")[race] == "missing_wait_before_run"
    assert column(table, "Severity")[race] == "error"
    assert str(column(table, "Line")[race]).endswith(f"{judgement.findings[race].where[0].line}")
    assert table.keys[race] == f"s{judgement.findings[race].evidence[0]}"
    assert not any("`" in str(title) for title in column(table, "What"))


def test_a_capture_without_findings_has_an_empty_table_of_them(tmp_path):
    table = findings_table(judge(Analyses(Scene().torch_op("aten::add", 0, 5).load(tmp_path))))
    assert (table.keys, table.note) == ([], "no findings in this capture")
