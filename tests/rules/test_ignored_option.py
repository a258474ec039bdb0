"""Y8: keys that nearly are ORT's, keys in the wrong place, and keys that may be anybody's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asking import ask, finding
from cases.ignored_option import cant_tell, given, near_miss
from hypothesis import given as given_by_hypothesis
from hypothesis import strategies as st
from scene import Scene

from ortprobe.analysis.sessions.config_keys import RUN_KEYS, SESSION_KEYS
from ortprobe.rules import Confidence, Finding, NotApplicable, Passed, Severity

SESSION, RUN = "add_session_config_entry", "add_run_config_entry"


@pytest.mark.parametrize(
    ("call", "key", "meant"),
    [
        (SESSION, "session.intra_op.allow_spining", "session.intra_op.allow_spinning"),
        (SESSION, "intra_op.allow_spinning", "session.intra_op.allow_spinning"),
        (SESSION, "Session.Disable_CPU_EP_Fallback", "session.disable_cpu_ep_fallback"),
        (SESSION, "session.set_denormals_as_zero", "session.set_denormal_as_zero"),
        (RUN, "disable_synchronize_execution_provider", "disable_synchronize_execution_providers"),
        (RUN, "enable_memory_arena_shrinkage", "memory.enable_memory_arena_shrinkage"),
        (RUN, "gpu_graphid", "gpu_graph_id"),
    ],
)
def test_the_key_that_was_meant_is_named(tmp_path, call, key, meant):
    found = finding("Y8", given(key, call=call), tmp_path)
    assert (found.severity, found.confidence, found.count) == (Severity.WARNING, Confidence.LIKELY, 1)
    assert f"`{meant}` is" in found.title
    assert [site.line for site in found.where] == [1]


def test_a_key_of_run_options_in_session_options(tmp_path):
    found = finding("Y8", given("disable_synchronize_execution_providers"), tmp_path)
    assert (found.severity, found.confidence) == (Severity.WARNING, Confidence.CERTAIN)
    assert "RunOptions" in found.title


@pytest.mark.parametrize(("version", "is_found"), [("1.32.0", True), ("1.33.0", False), ("", False)])
def test_a_key_like_no_other_in_an_area_of_orts_own_is_information(tmp_path, version, is_found):
    """A later ORT may look for it."""
    timeline = given("session.make_it_quick").load(tmp_path)
    capture = replace(timeline.capture, versions={"onnxruntime": version})
    outcome = ask("Y8", replace(timeline, capture=capture))
    if is_found:
        assert isinstance(outcome, Finding)
        assert (outcome.severity, outcome.confidence) == (Severity.INFO, Confidence.LIKELY)
    else:
        assert outcome == Passed()


def test_keys_that_an_execution_provider_may_look_for(tmp_path):
    assert ask("Y8", near_miss(tmp_path)) == Passed()


def test_an_option_of_cuda_given_to_the_cpu(tmp_path):
    """`provider_options` in another order than `providers`."""
    scene = Scene().session(
        0, 0, 50, requested_providers=("CUDAExecutionProvider", "CPUExecutionProvider"), site="app.py:9",
        requested_options={"CPUExecutionProvider": {"cudnn_conv_algo_search": "HEURISTIC"}},
    )  # fmt: skip
    found = finding("Y8", scene, tmp_path)
    assert (found.severity, found.confidence) == (Severity.WARNING, Confidence.CERTAIN)
    assert "`cudnn_conv_algo_search` was given to the CPU's provider" in found.title
    assert [site.line for site in found.where] == [9]


def test_no_entries_at_all(tmp_path):
    outcome = ask("Y8", given().load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_a_capture_without_entries(tmp_path):
    outcome = ask("Y8", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


@given_by_hypothesis(st.sampled_from(sorted(SESSION_KEYS | RUN_KEYS)))
def test_no_key_of_orts_is_called_misspelt_where_it_belongs(tmp_path_factory, key):
    call = SESSION if key in SESSION_KEYS else RUN
    assert ask("Y8", given(key, call=call).load(tmp_path_factory.mktemp("key"))) == Passed()
