from __future__ import annotations

import captures
import pytest
from asking import ask, named
from cases import layout_and_casts
from node_loop import CPU, Node, node_loop

from ortprobe.rules import NotApplicable, Passed
from ortprobe.timeline.intervals import total_ns


def test_casts_cost_their_kernels(tmp_path):
    timeline = node_loop(*[layout_and_casts.LAYERS] * 6).load(tmp_path)
    found = ask("N6", timeline)
    assert found.count == 2
    assert found.cost_ns == 6 * 60_000
    assert total_ns(found.paid) == found.cost_ns
    assert found.over_runs == 6
    assert "66.7 %" in found.title
    assert {name.partition("_")[0] for name in named(timeline, found)} == {"Cast"}


def test_what_is_cast_on_the_cpu_takes_the_gpu_no_time(tmp_path):
    runs = [[Node(op="Cast", provider=CPU, host_us=90, kernel_us=0), Node(op="Tanh", kernel_us=30)]] * 6
    assert ask("N6", node_loop(*runs).load(tmp_path)) == Passed()


@pytest.mark.parametrize("name", ["encoder-cpu-nodes", "resnet50-pageable"])
def test_a_transformer_may_transpose(name):
    assert ask("N6", captures.workload(name)) == Passed()


def test_a_session_on_the_cpu_alone_is_not_judged(tmp_path):
    outcome = ask("N6", node_loop(*[[Node(op="Cast", provider=CPU, kernel_us=0)]] * 6).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
