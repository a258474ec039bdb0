from __future__ import annotations

from asking import ask, finding
from scene import Scene

from ortprobe.rules import Confidence, NotApplicable, Passed

CUDA = "CUDAExecutionProvider"
HEURISTIC = {CUDA: {"cudnn_conv_algo_search": "HEURISTIC"}}
EXHAUSTIVE = {CUDA: {"cudnn_conv_algo_search": "EXHAUSTIVE"}}


def recreated(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]], **fields: object) -> Scene:
    return (
        Scene()
        .session(0, 0, 100, provider_options=before)
        .session(
            1,
            1000,
            100,
            reason="set_providers",
            replaces=0,
            provider_options=after,
            previous_provider_options=before,
            **fields,
        )
    )


def test_an_option_that_was_not_given_again(tmp_path):
    found = finding("S3", recreated(HEURISTIC, EXHAUSTIVE), tmp_path)
    assert (found.count, found.confidence) == (1, Confidence.CERTAIN)
    assert "cudnn_conv_algo_search HEURISTIC → EXHAUSTIVE" in found.title


def test_a_default_that_was_asked_for_is_not_lost(tmp_path):
    assert ask("S3", recreated(HEURISTIC, EXHAUSTIVE, requested_options=EXHAUSTIVE).load(tmp_path)) == Passed()


def test_options_that_were_changed_on_purpose(tmp_path):
    assert ask("S3", recreated(EXHAUSTIVE, HEURISTIC).load(tmp_path)) == Passed()


def test_no_session_was_built_again(tmp_path):
    assert isinstance(ask("S3", Scene().session(0, 0, 100).load(tmp_path)), NotApplicable)
