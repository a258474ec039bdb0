from __future__ import annotations

import captures
import numpy as np
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.findings_json import findings_document
from ortprobe.report.html.tables import build_tables
from ortprobe.report.markdown import render_markdown
from ortprobe.report.node_lines import node_lines
from ortprobe.report.report import Report
from ortprobe.rules import judge


def test_the_lines_say_what_there_is_to_say():
    lines = node_lines(Analyses(captures.recorded("flow")))
    assert [line.partition(":")[0] for line in lines] == ["GPU time of nodes by operator", "session 0", "session 0"]
    assert "1 node on the CPU and 3 Memcpy nodes take" in lines[1]
    assert "the host sets the pace (launch-bound): GPU busy 6 % of launching" in lines[2]
    resnet = node_lines(Analyses(captures.resnet()))
    assert resnet[0].startswith("GPU time of nodes by operator: Conv ")
    assert not any("Memcpy" in line or "layout" in line or "shapes" in line for line in resnet)


def test_without_a_gpu_trace_operators_are_by_host_time_and_nothing_sets_the_pace(tmp_path):
    scene = Scene()
    scene.profile().run(0, 100).node("a", 10, 20).node("b", 40, 20, op="Add", index=1)
    analyses = Analyses(scene.load(tmp_path))
    assert node_lines(analyses) == ("host time of nodes by operator: Conv 50.0 %, Add 50.0 %",)
    nodes = findings_document(judge(analyses))["summary"]["nodes"]
    assert nodes == {"cpu_placed": 0, "memcpy": 0, "layout_ns": None, "cast_ns": None, "bound": None}


def test_shapes_that_change_are_said(tmp_path):
    scene = Scene()
    profile = scene.profile()
    for run, batch in enumerate((1, 2, 2)):
        profile.run(100 * run, 90).node("a", 100 * run + 10, 20, shape=(batch, 3))
    assert "1 node had several input shapes, up to 2" in node_lines(Analyses(scene.load(tmp_path)))[-1]


def test_every_report_has_the_operators():
    judged = judge(Analyses(captures.recorded("flow")))
    report = Report(judged)
    operators, nodes = report.operators(), report.nodes()
    assert operators.device_ns.sum() == nodes.device_ns.sum()
    assert operators.op_type.iloc[0] in render_markdown(judged).partition("## Dearest operators")[2]
    table = next(table for table in build_tables(judged) if table.key == "operators")
    assert list(table.columns[0].values) == operators.op_type.tolist()
    summary = findings_document(judged)["summary"]["nodes"]
    assert (summary["cpu_placed"], summary["memcpy"], summary["bound"]) == (1, 3, {"0": "launch"})


def test_the_host_time_of_nodes_is_divided_without_remainder():
    report = Report(judge(Analyses(captures.recorded("flow"))))
    nodes = report.nodes()
    parts = ["launch_ns", "copy_call_ns", "wait_ns", "allocation_ns", "module_loading_ns", "own_code_ns"]
    hosts = {host.node: host.own_ns for host in report.judgement.analyses.node_hosts}
    divided = nodes[[*parts, "other_calls_ns"]].sum(axis=1)
    known = nodes.node.isin(hosts)
    assert np.array_equal(divided[known], [hosts[node] for node in nodes.node[known]])
