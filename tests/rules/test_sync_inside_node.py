from __future__ import annotations

import captures
from asking import ask, named
from node_loop import CPU, Node, node_loop

from ortprobe.rules import Passed, Severity


def test_it_costs_how_long_the_node_was_held_up(tmp_path):
    """The kernel is over 31 µs after the wait began, and the wait 40."""
    timeline = node_loop(*[[Node(op="NonZero", host_us=60, kernel_us=30, wait_us=40)]] * 6).load(tmp_path)
    found = ask("N3", timeline)
    assert (found.severity, found.count, found.over_runs) == (Severity.WARNING, 5, 5)
    assert found.cost_ns == 5 * 31_000
    assert set(named(timeline, found)) == {"cudaStreamSynchronize"}
    assert "1 × NonZero" in found.detail


def test_waits_of_nodes_on_the_cpu_and_of_copies_are_not_the_nodes_own(tmp_path):
    copy = Node(op="MemcpyToHost", host_us=60, kernel_us=30, wait_us=40)
    on_cpu = Node(op="Hardmax", host_us=60, kernel_us=30, wait_us=40, provider=CPU)
    assert ask("N3", node_loop(*[[Node(op="Conv"), copy, on_cpu]] * 6).load(tmp_path)) == Passed()


def test_a_short_look_in_a_long_run_is_information_or_nothing(tmp_path):
    def waiting(conv_us: int) -> list[Node]:
        return [Node(op="Conv", host_us=conv_us), Node(op="NonZero", host_us=60, kernel_us=30, wait_us=40)]

    assert ask("N3", node_loop(*[waiting(1500)] * 6).load(tmp_path / "long")).severity is Severity.INFO
    assert ask("N3", node_loop(*[waiting(5000)] * 6).load(tmp_path / "longer")) == Passed()


def test_a_loop_looks_at_its_condition_in_each_round():
    """Four rounds, each with two copies to the host."""
    timeline = captures.recorded("flow")
    found = ask("N3", timeline)
    assert found.severity is Severity.INFO
    assert found.count == 8 * found.over_runs
    assert "1 × Loop" in found.detail
