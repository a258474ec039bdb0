from __future__ import annotations

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.timeline import DEVICE_WORK, NONE, Kind


def test_every_kernel_of_resnet_has_its_node():
    nodes = Analyses(captures.resnet()).nodes
    assert (nodes.kernels_total, nodes.kernels_of_ort, nodes.kernels_with_node) == (2342, 2340, 2340)
    assert nodes.unattributed_kernel_ns == 0
    assert nodes.by_device


def test_nodes_share_the_device_time_of_ort_without_remainder():
    timeline = captures.resnet()
    nodes = Analyses(timeline).nodes.nodes
    ops = timeline.device_ops.span
    with_node = ops[timeline.links.node[ops] >= 0]
    assert sum(node.device_ns for node in nodes) == int(timeline.spans.duration_ns[with_node].sum())
    assert sum(node.kernels for node in nodes) == 2340
    assert {node.device_runs for node in nodes} == {5}


def test_the_dearest_node_comes_first():
    nodes = Analyses(captures.resnet()).nodes.nodes
    device_ns = [node.device_ns for node in nodes]
    assert device_ns == sorted(device_ns, reverse=True)
    assert (nodes[0].op_type, nodes[0].name) == ("Conv", "/conv1/Conv")


def test_device_time_and_launch_time_are_told_apart(tmp_path):
    scene = Scene().torch_op("aten::add", 0, 2).launch("k", 15, 30, 40, 1).launch("k", 18, 70, 5, 2)
    scene.profile().run(5, 100).node("conv", 10, 20).node(
        "shape", 40, 7, op="Shape", provider="CPUExecutionProvider", index=1
    )
    conv, shape = Analyses(scene.load(tmp_path)).nodes.nodes
    assert (conv.name, conv.device_ns, conv.host_ns, conv.kernels) == ("conv", 45_000, 20_000, 2)
    assert (shape.name, shape.device_ns, shape.host_ns, shape.kernels) == ("shape", 0, 7_000, 0)


def test_without_a_gpu_trace_device_time_is_not_zero(tmp_path):
    scene = Scene()
    scene.profile().run(5, 100).node("a", 10, 20).node("b", 40, 50, index=1)
    nodes = Analyses(scene.load(tmp_path)).nodes
    assert [(node.name, node.device_ns) for node in nodes.nodes] == [("b", None), ("a", None)]
    assert not nodes.by_device


def test_the_span_to_show_is_the_longest_execution():
    timeline = captures.resnet()
    node = Analyses(timeline).nodes.nodes[0]
    mine = timeline.node_spans.span[timeline.node_spans.node == node.node]
    assert timeline.spans.kind[node.first_span] == Kind.ORT_NODE
    assert node.first_span == mine[np.argmax(timeline.spans.duration_ns[mine])]


@pytest.mark.parametrize("name", captures.WATCHED)
def test_nodes_and_runs_and_what_has_no_node_share_all_device_time(name):
    timeline = captures.watched(name)
    analyses = Analyses(timeline)
    node_runs = analyses.node_runs
    work = timeline.spans.of_kind(*DEVICE_WORK)
    assert node_runs.device_ns.sum() + node_runs.without_node_ns == timeline.spans.duration_ns[work].sum()
    for node in analyses.nodes.nodes:
        mine = node_runs.node == node.node
        assert (node.device_ns or 0, node.kernels) == (node_runs.device_ns[mine].sum(), node_runs.kernels[mine].sum())
    for run in range(len(timeline.runs)):
        own = work[(timeline.links.run[work] == run) & (timeline.links.node[work] != NONE)]
        assert node_runs.device_ns[node_runs.run == run].sum() == timeline.spans.duration_ns[own].sum()


def test_a_node_says_what_it_launched_and_moved(tmp_path):
    scene = Scene().torch_op("aten::add", 0, 2).launch("k", 15, 30, 40, 1).launch("k", 18, 70, 5, 2)
    scene.call("cudaMemcpyAsync", 21, 2, 3).memcpy("Memcpy DtoD (Device -> Device)", 80, 6, 3, size_bytes=4096)
    scene.profile().run(5, 120).node("conv", 10, 20)
    (conv,) = Analyses(scene.load(tmp_path)).nodes.nodes
    assert (conv.launches, conv.kernels, conv.copies, conv.fills, conv.moved_bytes) == (3, 2, 1, 0, 4096)
    assert conv.device_per_run_ns == conv.device_ns == 51_000


def test_time_per_run_is_the_median_of_the_runs_in_which_a_node_worked(tmp_path):
    scene = Scene().torch_op("aten::add", 0, 2)
    profile = scene.profile()
    for number, device_us in enumerate((70, 10, 20, 30)):
        start_us = 100 * number + 10
        profile.run(start_us, 90).node("conv", start_us + 2, 10)
        scene.launch("k", start_us + 4, start_us + 10, device_us, number + 1)
    profile.run(500, 50)
    (conv,) = Analyses(scene.load(tmp_path)).nodes.nodes
    assert (conv.device_ns, conv.device_per_run_ns, conv.launches) == (130_000, 25_000, 4)
