from __future__ import annotations

from asking import ask
from cases.clock_step import cant_tell, fault, near_miss, read_clocks

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules import Finding, NotApplicable, Passed, Severity, judge


def test_a_clock_that_is_set_between_two_runs(tmp_path):
    found = ask("M4", fault(tmp_path))
    assert isinstance(found, Finding)
    assert (found.severity, found.count, found.cost_ns) == (Severity.WARNING, 1, None)
    assert found.evidence


def test_a_step_back_counts_too(tmp_path):
    assert isinstance(ask("M4", read_clocks(-7000).load(tmp_path)), Finding)


def test_there_is_a_finding_and_no_verdict(tmp_path):
    judgement = judge(Analyses(fault(tmp_path)))
    assert "M4" in {finding.code for finding in judgement.findings}
    assert not judgement.has_verdict


def test_clocks_that_were_read_a_moment_apart(tmp_path):
    assert ask("M4", near_miss(tmp_path)) == Passed()


def test_bare_files_have_no_readings(tmp_path):
    outcome = ask("M4", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing
