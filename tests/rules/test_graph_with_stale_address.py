from __future__ import annotations

import captures
from asking import ask
from cases.graph_not_replayed import CAPTURE, LAUNCH, REPLAY, graph_run, graph_session
from cases.graph_with_stale_address import FIRST, SECOND, rebound

from ortprobe.rules import Finding, NotApplicable, Passed, Severity
from ortprobe.rules.finding import Confidence


def test_a_replay_with_another_buffer_is_an_error_at_its_bind(tmp_path):
    found = ask("G2", rebound((FIRST, CAPTURE, ""), (FIRST, REPLAY, ""), (SECOND, REPLAY, "")).load(tmp_path))
    assert (found.severity, found.confidence, found.count) == (Severity.ERROR, Confidence.CERTAIN, 1)
    assert [str(site) for site in found.where] == ["app.py:6", "app.py:8"]
    assert "`x`" in found.title


def test_runs_that_nobody_watched_are_likely_to_have_replayed(tmp_path):
    found = ask("G2", rebound((FIRST, (), ""), (FIRST, (), ""), (SECOND, (), "")).load(tmp_path))
    assert found.confidence is Confidence.LIKELY


def test_a_run_that_captures_again_reads_what_it_is_given(tmp_path):
    runs = (FIRST, CAPTURE, ""), (SECOND, CAPTURE, ""), (SECOND, REPLAY, "")
    assert ask("G2", rebound(*runs).load(tmp_path / "again")) == Passed()
    back = ask("G2", rebound(*runs, (FIRST, REPLAY, "")).load(tmp_path / "back"))
    assert isinstance(back, Finding)


def test_a_run_that_launches_its_kernels_reads_what_it_is_given(tmp_path):
    runs = (FIRST, CAPTURE, "1"), (SECOND, LAUNCH, "-1"), (FIRST, REPLAY, "1")
    assert ask("G2", rebound(*runs).load(tmp_path)) == Passed()


def test_without_binds_nobody_knows(tmp_path):
    scene = graph_session()
    for number in range(3):
        graph_run(scene, number, REPLAY)
    outcome = ask("G2", scene.load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_recorded_replays_of_one_binding_pass():
    assert ask("G2", captures.recorded("graph")) == Passed()
    assert ask("G2", captures.race_program("cuda_graph")) == Passed()
