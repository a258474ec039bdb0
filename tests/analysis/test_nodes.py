from __future__ import annotations

import captures
import numpy as np
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.timeline import Kind


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
