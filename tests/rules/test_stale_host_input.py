"""B2: arrays that changed behind their bind, and all the ways in which that is no fault, or not known."""

from __future__ import annotations

import pytest
from asking import ask, finding
from cases.stale_host_input import CUDA, bind, bound, cant_tell, near_miss, run
from scene import Scene

from ortprobe.rules import Confidence, NotApplicable, Passed, Severity


def test_a_run_on_what_the_array_was_is_an_error_at_both_lines(tmp_path):
    found = finding("B2", run(run(bound(), 100, "same"), 200, "changed"), tmp_path)
    assert (found.severity, found.count) == (Severity.ERROR, 1)
    assert found.confidence is Confidence.LIKELY  # without a profile: a node on the CPU may be what reads it
    assert "`x`" in found.title
    assert [site.line for site in found.where] == [5, 8]


@pytest.mark.parametrize(("provider", "confidence"), [("CUDA", Confidence.CERTAIN), ("CPU", Confidence.LIKELY)])
def test_where_every_node_is_on_the_gpu_it_is_certain(tmp_path, provider, confidence):
    scene = run(run(bound(), 100, "same"), 200, "changed")
    scene.profile(0).run(101, 40).node("n_kernel_time", 110, 10, provider=f"{provider}ExecutionProvider")
    assert finding("B2", scene, tmp_path).confidence is confidence


def test_what_is_filled_ahead_and_bound_again_is_no_fault(tmp_path):
    assert ask("B2", near_miss(tmp_path)) == Passed()


def test_an_array_that_stays_what_it_was(tmp_path):
    assert ask("B2", run(run(bound(), 100, "same"), 200, "same").load(tmp_path)) == Passed()


def test_of_a_large_array_a_sample_says_nothing_for_sure(tmp_path):
    outcome = ask("B2", run(run(bound(), 100, "sample_same"), 200, "sample_same").load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_without_comparison_nobody_knows(tmp_path):
    outcome = ask("B2", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_another_kind_of_bind_takes_the_array_out_of_the_game(tmp_path):
    scene = run(bound(), 100, "same").hook("bind_ortvalue_input", 160, 1, binding=0, buffer="x")
    assert ask("B2", run(run(scene, 200), 300).load(tmp_path)) == Passed()


def test_a_session_on_the_cpu_reads_the_array_itself(tmp_path):
    scene = Scene().session(0, 0, 50, providers=CUDA[1:]).hook("io_binding", 60, 1, session=0, binding=0)
    outcome = ask("B2", run(run(bind(scene, 70), 100, "same"), 200, "changed").load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
