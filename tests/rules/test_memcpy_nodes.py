from __future__ import annotations

import captures
from asking import ask, named
from node_loop import Node, node_loop

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules import Severity
from ortprobe.timeline import Kind
from ortprobe.timeline.intervals import total_ns


def test_it_costs_what_the_copies_took_in_steady_runs(tmp_path):
    copy = Node(op="MemcpyToHost", host_us=30, kernel_us=10, wait_us=20)
    timeline = node_loop(*[[Node(op="ArgMax"), copy, Node(op="Slice")]] * 6).load(tmp_path)
    found = ask("N2", timeline)
    assert (found.severity, found.count, found.over_runs) == (Severity.WARNING, 1, 5)
    assert found.cost_ns == 5 * 30_000 == total_ns(found.paid)
    assert "No node computes on the CPU" in found.detail
    assert named(timeline, found)[0].startswith("MemcpyToHost")


def test_copies_that_a_run_hardly_feels_are_information(tmp_path):
    copy = Node(op="MemcpyFromHost", host_us=20)
    found = ask("N2", node_loop(*[[Node(op="Conv", host_us=2000), copy]] * 6).load(tmp_path))
    assert found.severity is Severity.INFO


def test_copies_around_nodes_on_the_cpu_are_told_with_them():
    found = ask("N2", captures.workload("encoder-cpu-nodes"))
    assert found.count == 12
    assert "6 nodes compute on the CPU (N1)" in found.detail
    assert found.saves_ns is None, "the replay without them is without the nodes on the CPU too, and N1 tells it"


def test_waits_for_the_copies_are_counted_in():
    """In `flow`, ORT waits for an event behind two of the copies: before the If, and before the node on the CPU."""
    timeline = captures.recorded("flow")
    found = ask("N2", timeline)
    (detour,) = Analyses(timeline).detour_times
    in_nodes = timeline.spans.kind[detour.memcpy_span] == Kind.ORT_NODE
    assert found.count == 3
    assert in_nodes.sum() == 3 * found.over_runs
    assert (~in_nodes).sum() == 2 * found.over_runs
    assert found.cost_ns == detour.memcpy_ns.sum() > detour.memcpy_ns[in_nodes].sum()
