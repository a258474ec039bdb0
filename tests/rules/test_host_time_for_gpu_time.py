from __future__ import annotations

import captures
from asking import ask
from cases.host_time_for_gpu_time import cant_tell, fault, near_miss
from cases.profile_incomplete import profile

from ortprobe.rules import Finding, NotApplicable, Passed, Severity


def test_nodes_on_a_gpu_without_a_trace_of_it(tmp_path):
    timeline = fault(tmp_path)
    found = ask("M3", timeline)
    assert isinstance(found, Finding)
    assert found.severity is Severity.INFO
    assert found.count == 5 * 122  # five runs
    dearest_ns = timeline.spans.duration_ns[timeline.node_spans.span].max()
    assert timeline.spans.duration_ns[found.evidence[0]] == dearest_ns


def test_nodes_with_their_device_work(tmp_path):
    for timeline in (near_miss(tmp_path), captures.service(), captures.recorded("flow"), captures.recorded("graph")):
        assert ask("M3", timeline) == Passed()


def test_nodes_on_the_cpu():
    outcome = ask("M3", profile("1.32.0", "plain"))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_no_profile_at_all(tmp_path):
    outcome = ask("M3", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing
