from __future__ import annotations

from collections import Counter

import captures
import pytest
from asking import ask
from cases.graph_not_replayed import CAPTURE, LAUNCH, REPLAY, graph_run, graph_session
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.cuda_graphs import Replay
from ortprobe.rules import NotApplicable, Passed, Severity


def test_runs_that_switch_the_graph_off_are_found(tmp_path):
    scene = graph_session()
    for number in range(6):
        graph_run(scene, number, LAUNCH * 3, graph_id="-1")
    found = ask("G1", scene.load(tmp_path))
    assert (found.severity, found.count, found.cost_ns) == (Severity.WARNING, 5, None)
    assert "5 have the gpu_graph_id -1" in found.detail
    assert [str(site) for site in found.where] == ["app.py:8"]


def test_graphs_that_are_captured_on_every_thread_anew_are_found(tmp_path):
    scene = graph_session()
    for number in range(6):
        graph_run(scene, number, CAPTURE, thread=5000 + number)
    found = ask("G1", scene.load(tmp_path))
    assert found.count == 5
    assert "5 are the first with their gpu_graph_id on their thread" in found.detail


def test_it_costs_what_such_runs_took_over_replays(tmp_path):
    """Two replays of 100 µs among runs of 300."""
    scene = graph_session()
    for number, calls in enumerate((CAPTURE, LAUNCH * 3, REPLAY, LAUNCH * 3, REPLAY, LAUNCH * 3)):
        graph_run(scene, number, calls)
    found = ask("G1", scene.load(tmp_path))
    assert (found.count, found.over_runs, found.cost_ns) == (3, 5, 3 * 200_000)


@pytest.mark.parametrize("rest", [(REPLAY,) * 5, (REPLAY, REPLAY, LAUNCH, REPLAY, LAUNCH)])
def test_replays_in_most_runs_pass(tmp_path, rest):
    scene = graph_session()
    for number, calls in enumerate((CAPTURE, *rest)):
        graph_run(scene, number, calls)
    assert ask("G1", scene.load(tmp_path)) == Passed()


def test_two_ids_in_turn_pass(tmp_path):
    scene = graph_session()
    for number in range(8):
        graph_run(scene, number, CAPTURE if number < 2 else REPLAY, graph_id=str(number % 2))
    assert ask("G1", scene.load(tmp_path)) == Passed()


def test_sessions_without_graphs_are_not_judged(tmp_path):
    outcome = ask("G1", Scene().session(0, 0, 100).hook("run", 1000, 50, session=0).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_a_recorded_graph_replays_under_every_kind_of_tracing():
    """By ORT's profile and torch's trace, by the trace alone, and by neither."""
    (session,) = Analyses(captures.recorded("graph")).cuda_graphs
    assert Counter(run.replay for run in session.runs) == {Replay.CAPTURED: 1, Replay.REPLAYED: 39, Replay.UNKNOWN: 20}
