"""B4: pointers of tensors that are gone, or that are not contiguous; and pointers of which nothing is known."""

from __future__ import annotations

from cases.dead_buffer import cant_tell, fault, near_miss, program
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules import dead_buffer
from ortprobe.rules.finding import Finding, NotApplicable, Passed


def test_a_pointer_of_a_living_tensor_passes(tmp_path):
    assert dead_buffer.check(Analyses(near_miss(tmp_path))) == Passed()


def test_a_pointer_of_which_nothing_is_known_is_neither_fine_nor_broken(tmp_path):
    outcome = dead_buffer.check(Analyses(cant_tell(tmp_path)))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_a_tensor_that_is_not_contiguous_is_found_where_it_was_bound(tmp_path):
    found = dead_buffer.check(Analyses(program(contiguous=False).load(tmp_path)))
    assert isinstance(found, Finding)
    assert [(site.file, site.line) for site in found.where] == [("app.py", 5)]


def test_a_tensor_that_is_gone_is_found_where_the_run_used_it(tmp_path):
    found = dead_buffer.check(Analyses(fault(tmp_path)))
    assert isinstance(found, Finding)
    assert "`x`" in found.title
    assert [(site.file, site.line) for site in found.where] == [("app.py", 8)]


def test_a_program_that_binds_no_pointer_has_nothing_of_the_kind(tmp_path):
    outcome = dead_buffer.check(Analyses(Scene().session(0, 0, 50).load(tmp_path)))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
