from __future__ import annotations

from asking import ask
from cases.options_lost import EXHAUSTIVE, HEURISTIC, fault, near_miss, recreated
from scene import Scene

from ortprobe.rules import Confidence, NotApplicable, Passed


def test_an_option_that_was_not_given_again(tmp_path):
    found = ask("S3", fault(tmp_path))
    assert (found.count, found.confidence) == (1, Confidence.CERTAIN)
    assert "cudnn_conv_algo_search HEURISTIC → EXHAUSTIVE" in found.title


def test_a_default_that_was_asked_for_is_not_lost(tmp_path):
    assert ask("S3", near_miss(tmp_path)) == Passed()


def test_options_that_were_changed_on_purpose(tmp_path):
    assert ask("S3", recreated(EXHAUSTIVE, HEURISTIC).load(tmp_path)) == Passed()


def test_no_session_was_built_again(tmp_path):
    assert isinstance(ask("S3", Scene().session(0, 0, 100).load(tmp_path)), NotApplicable)
