from __future__ import annotations

import captures
import pytest
from asking import ask
from cases.oversubscribed_cpu_pools import CPU, DEFAULT, cant_tell, fault, near_miss, two_sessions
from scene import Scene

from ortprobe.rules import Finding, NotApplicable, Passed, Severity


def test_pools_for_every_core_that_run_at_once_and_lose_by_it(tmp_path):
    found = ask("C2", fault(tmp_path))
    assert isinstance(found, Finding)
    assert found.title == "Up to 4 threads of 2 sessions computed at once on 2 processors"
    assert (found.severity, found.count) == (Severity.WARNING, 24)
    # Twelve pairs overlap for 399 of 400 µs each, in which half of the work of a run alone is done.
    assert abs(found.cost_ns - 12 * 399_000 / 2) < 1000
    assert [(site.file, site.line) for site in found.where] == [("app.py", 3)]


@pytest.mark.parametrize(("beside_us", "alone"), [(200, 6), (400, 2)], ids=["no loss", "nothing alone"])
def test_a_loss_that_was_not_measured_is_no_warning(tmp_path, beside_us, alone):
    found = ask("C2", two_sessions(beside_us=beside_us, options=DEFAULT, alone=alone).load(tmp_path))
    assert isinstance(found, Finding)
    assert (found.severity, found.cost_ns) == (Severity.INFO, None)


def test_running_at_once_that_gains_is_left_alone(tmp_path):
    assert ask("C2", two_sessions(beside_us=120, options=DEFAULT).load(tmp_path)) == Passed()


def test_one_thread_for_each_run(tmp_path):
    assert ask("C2", near_miss(tmp_path)) == Passed()


def test_sessions_that_take_turns(tmp_path):
    scene = Scene()
    for session in range(2):
        scene.session(session, -1000 + 100 * session, 50, providers=CPU, owner=session, session_options=DEFAULT)
    for number in range(40):
        scene.hook("run", 1000 * number, 400, session=number % 2)
    assert ask("C2", scene.load(tmp_path)) == Passed()


def test_one_pool_with_more_threads_than_processors(tmp_path):
    scene = Scene().session(0, -1000, 50, providers=CPU, session_options={"intra_op_num_threads": "8"})
    for number in range(12):
        scene.hook("run", 1000 * number, 400, session=0)
    found = ask("C2", scene.load(tmp_path))
    assert isinstance(found, Finding)
    assert (found.severity, found.cost_ns, found.count) == (Severity.WARNING, None, 12)
    assert found.title == "Up to 8 threads of 1 session computed at once on 2 processors"


def test_sessions_of_which_nobody_knows_the_threads(tmp_path):
    outcome = ask("C2", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_sessions_on_a_gpu_are_not_spoken_of():
    outcome = ask("C2", captures.service())
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
