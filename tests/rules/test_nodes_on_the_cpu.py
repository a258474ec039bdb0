from __future__ import annotations

import json
from statistics import median

import captures
import pytest
from asking import ask, named
from cases.nodes_on_the_cpu import with_a_cpu_node
from node_loop import CPU, Node, node_loop

from ortprobe.rules import NotApplicable, Passed, Severity
from ortprobe.timeline.intervals import total_ns


def test_it_costs_what_the_nodes_took_in_steady_runs(tmp_path):
    found = ask("N1", with_a_cpu_node(100).load(tmp_path))
    assert (found.severity, found.count, found.over_runs) == (Severity.WARNING, 1, 5)
    assert found.cost_ns == 5 * 100_000 == total_ns(found.paid)
    assert [str(site) for site in found.where] == ["app.py:4"]


@pytest.mark.parametrize("host_us", [19, 8])
def test_what_computes_next_to_nothing_is_left_to_the_cpu(tmp_path, host_us):
    assert ask("N1", with_a_cpu_node(host_us).load(tmp_path)) == Passed()


def test_a_node_that_a_run_hardly_feels_passes(tmp_path):
    long = Node(op="Conv", host_us=2000)
    runs = [[long, Node(op="Hardmax", provider=CPU, host_us=25, kernel_us=0)]] * 6
    assert ask("N1", node_loop(*runs).load(tmp_path)) == Passed()


def test_a_session_on_the_cpu_alone_has_no_nodes_out_of_place(tmp_path):
    runs = [[Node(op="Conv", provider=CPU, host_us=900, kernel_us=0)]] * 6
    outcome = ask("N1", node_loop(*runs).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_an_encoder_with_operators_of_the_cpu_alone():
    timeline = captures.workload("encoder-cpu-nodes")
    found = ask("N1", timeline)
    assert found.count == 6
    assert {name.partition("_")[0] for name in named(timeline, found)} == {"hardmax"}
    assert [str(site).rpartition("/")[2] for site in found.where] == ["workloads.py:52"]
    paces_ns = json.loads((captures.DATA / "h100-workloads" / "known.json").read_text())["pace_ns"]
    saved_ns = median(paces_ns["encoder cpu-nodes"]) - median(paces_ns["encoder run-sync"])
    assert found.saves_ns == pytest.approx(150 * saved_ns, rel=0.25), "against the same program without these operators"
