from __future__ import annotations

import captures
import pytest
from asking import ask
from node_loop import TORCH_ALONE, Node, node_loop
from scene import Scene

from ortprobe.rules import Finding, NotApplicable, Passed, Severity
from ortprobe.timeline.intervals import total_ns


def test_tiny_kernels_would_take_a_fraction_if_they_were_launched_at_once():
    timeline = captures.workload("tiny-threads")
    found = ask("N4", timeline)
    assert found.severity is Severity.INFO
    assert found.saves_ns > 0.3 * 120 * 3_083_088, "120 runs of the session; the loop's pace"
    assert 0 < found.cost_ns < total_ns(found.paid), "the GPU was busy for a part of it"
    assert [str(site).rpartition("/")[2] for site in found.where] == ["workloads.py:87"]


@pytest.mark.parametrize("name", ["resnet50-pageable", "encoder-cpu-nodes"])
def test_other_loops_pass(name):
    assert ask("N4", captures.workload(name)) == Passed()


@pytest.mark.parametrize("name", ["healthy", "set-providers", "missing-wait"])
def test_examples_pass(name):
    assert ask("N4", captures.example(name).timeline) == Passed()


def test_a_service_whose_time_goes_elsewhere_passes():
    """The GPU idles for four fifths of the launching, and launching is a tenth of a run."""
    assert ask("N4", captures.service()) == Passed()


@pytest.mark.parametrize(("runs", "judged"), [(4, False), (12, True)])
def test_what_launching_at_once_gives_is_not_known_without_a_loop_to_replay(tmp_path, runs, judged):
    """Three steady runs show that launching sets the pace, and are no loop."""
    tiny = [Node(op="Tanh", host_us=20, kernel_us=3)] * 8
    outcome = ask("N4", node_loop(*[tiny] * runs, attached=TORCH_ALONE).load(tmp_path))
    assert isinstance(outcome, Finding if judged else NotApplicable)


def test_without_a_gpu_there_is_nothing_to_say(tmp_path):
    outcome = ask("N4", Scene().session(0, 0, 100).hook("run", 1000, 50, session=0).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
