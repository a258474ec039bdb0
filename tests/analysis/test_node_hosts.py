from __future__ import annotations

import captures
import numpy as np
import pytest
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.busy import busy_by_group
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.sessions.host_parts import HostPart


@pytest.mark.parametrize("name", captures.WATCHED)
def test_parts_are_the_time_in_which_watched_runs_were_in_a_node(name):
    timeline = captures.watched(name)
    spans, executed = timeline.spans, timeline.node_spans.span
    watched = executed[np.append(gpu_traced(timeline), False)[timeline.links.run[executed]]]
    lanes = len(timeline.lanes)
    covered_ns = busy_by_group(spans.lane[watched], spans.start_ns[watched], spans.end_ns[watched], lanes)
    hosts = Analyses(timeline).node_hosts
    assert sum(sum(each.parts_ns.values()) for each in hosts) == covered_ns.sum() > 0
    assert all(sum(each.parts_ns.values()) == each.own_ns for each in hosts)
    assert sum(each.executions for each in hosts) == len(watched)


def test_time_is_divided_by_what_the_thread_did_in_the_innermost_node(tmp_path):
    scene = Scene().torch_op("aten::add", 0, 2).launch("k", 25, 60, 30, 1)
    scene.call("cudaMalloc", 30, 5, 2).call("cudaStreamSynchronize", 40, 50, 3).wait("Stream Sync", 40, 50, 3, stream=7)
    profile = scene.profile().run(5, 200).node("if", 10, 100, op="If").execute(15, 90)
    profile.node("inner", 20, 75, index=1)
    inner, outer = Analyses(scene.load(tmp_path)).node_hosts
    assert (inner.own_ns, outer.own_ns) == (75_000, 25_000)
    assert inner.parts_ns == {
        HostPart.NODE_BEFORE_LAUNCH: 5_000,
        HostPart.LAUNCH: 2_000,
        HostPart.ALLOCATION: 5_000,
        HostPart.WAIT: 50_000,
        HostPart.NODE: 13_000,
    }
    assert outer.parts_ns == {HostPart.NODE: 10_000, HostPart.ORT: 15_000}
    assert (inner.waits, inner.stall_ns, outer.waits, outer.stall_ns) == (1, 50_000, 0, 0)


def test_without_a_gpu_trace_nothing_divides_host_time(tmp_path):
    scene = Scene()
    scene.profile().run(5, 100).node("a", 10, 20)
    assert Analyses(scene.load(tmp_path)).node_hosts == ()


def test_nodes_that_wait_for_the_gpu_are_those_that_copy_to_the_host():
    timeline = captures.recorded("flow")
    hosts = [each for each in Analyses(timeline).node_hosts if each.waits]
    names = {timeline.names[timeline.nodes.op_type[each.node]] for each in hosts}
    assert names
    assert names <= {"MemcpyToHost", "If", "Loop"}
