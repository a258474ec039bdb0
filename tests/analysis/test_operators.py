from __future__ import annotations

import captures
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.busy import busy_by_group
from ortprobe.analysis.nodes.operators import NodeCategory
from ortprobe.timeline import NONE


@pytest.mark.parametrize("name", captures.WATCHED)
def test_operators_and_categories_share_the_times_of_nodes_without_remainder(name):
    analyses = Analyses(captures.watched(name))
    found, nodes = analyses.operators, analyses.nodes.nodes
    for sums in (
        [each.sums for each in found.operators],
        [each for of_session in found.by_category.values() for each in of_session.values()],
    ):
        assert sum(each.nodes for each in sums) == len(nodes)
        for column in ("device_ns", "kernels", "executions"):
            assert sum(getattr(each, column) or 0 for each in sums) == sum(getattr(node, column) or 0 for node in nodes)
        assert sum(each.host_ns for each in sums) == sum(node.own_host_ns for node in nodes)
    for of_session in found.by_category.values():
        assert sum(each.share for each in of_session.values()) == pytest.approx(1)


def test_convolutions_are_most_of_resnet():
    first = Analyses(captures.resnet()).operators.operators[0]
    assert (first.op_type, first.category, first.sums.share > 0.5) == ("Conv", NodeCategory.COMPUTE, True)
    assert first.sums.nodes == 53
    assert first.first_span != NONE


def test_categories_say_what_nodes_are_there_for(tmp_path):
    scene = Scene()
    profile = scene.profile().run(0, 100)
    cpu = "CPUExecutionProvider"
    made = (
        ("Conv", ""),
        ("MemcpyToHost", ""),
        ("Transpose", cpu),
        ("MemcpyFromHost", ""),
        ("Transpose", ""),
        ("Cast", ""),
    )
    for index, (op, provider) in enumerate(made):
        place = provider or "CUDAExecutionProvider"
        profile.node(f"{op}_{index}", 10 * index + 2, 5, op=op, provider=place, index=index)
    (found,) = Analyses(scene.load(tmp_path)).operators.by_category.values()
    assert {category: sums.nodes for category, sums in found.items()} == {
        NodeCategory.COMPUTE: 1,
        NodeCategory.MEMCPY: 2,
        NodeCategory.CPU_PLACED: 1,
        NodeCategory.LAYOUT: 1,
        NodeCategory.CAST: 1,
    }
    assert {(sums.device_ns, sums.share) for sums in found.values()} == {(None, None)}


def test_a_session_on_the_cpu_alone_has_no_node_that_was_placed_there(tmp_path):
    scene = Scene()
    scene.profile().run(0, 100).node("a", 10, 20, provider="CPUExecutionProvider")
    (found,) = Analyses(scene.load(tmp_path)).operators.by_category.values()
    assert list(found) == [NodeCategory.COMPUTE]


@pytest.mark.parametrize("name", captures.WATCHED)
def test_own_host_times_are_the_time_in_which_threads_were_in_a_node(name):
    timeline = captures.watched(name)
    spans, executed = timeline.spans, timeline.node_spans.span
    lane, start_ns, end_ns = spans.lane[executed], spans.start_ns[executed], spans.end_ns[executed]
    covered_ns = busy_by_group(lane, start_ns, end_ns, len(timeline.lanes)).sum()
    nodes = Analyses(timeline).nodes.nodes
    assert sum(node.own_host_ns for node in nodes) == covered_ns
    assert (sum(node.host_ns for node in nodes) > covered_ns) == (name == "flow")
