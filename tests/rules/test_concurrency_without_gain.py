from __future__ import annotations

import captures
from asking import ask
from cases.concurrency_without_gain import cant_tell, fault, near_miss, two_threads
from scene import PROCESS, Scene

from ortprobe.rules import Finding, NotApplicable, Passed, Severity


def test_runs_that_hold_one_another_up_on_one_stream(tmp_path):
    found = ask("C1", fault(tmp_path))
    assert isinstance(found, Finding)
    assert (found.severity, found.count, found.over_runs) == (Severity.WARNING, 24, 24)
    # Twelve pairs overlap for 296 of 300 µs each, in which two thirds of the work of a run alone are done.
    assert abs(found.cost_ns - 12 * 296_000 / 3) < 1000
    assert [(site.file, site.line) for site in found.where] == [("pool.py", 9)]


def test_runs_at_once_that_take_twice_as_long_cost_nothing_and_gain_nothing(tmp_path):
    found = ask("C1", two_threads(beside_us=200).load(tmp_path))
    assert isinstance(found, Finding)
    assert (found.severity, found.cost_ns) == (Severity.INFO, None)


def test_a_gain_on_one_stream_is_left_alone(tmp_path):
    assert ask("C1", two_threads(beside_us=120).load(tmp_path)) == Passed()


def test_without_runs_alone_only_that_they_are_serial_is_said(tmp_path):
    found = ask("C1", two_threads(beside_us=300, alone=2).load(tmp_path))
    assert isinstance(found, Finding)
    assert (found.severity, found.cost_ns) == (Severity.INFO, None)
    assert "can't be told" in found.detail


def test_a_stream_for_each_thread(tmp_path):
    assert ask("C1", near_miss(tmp_path)) == Passed()
    assert ask("C1", two_threads(beside_us=300, streams=(13, 20)).load(tmp_path)) == Passed()


def test_runs_at_once_that_no_trace_saw(tmp_path):
    outcome = ask("C1", cant_tell(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_one_thread_and_programs_on_the_cpu_are_not_spoken_of(tmp_path):
    scene = Scene().session(0, -100, 50, providers=("CPUExecutionProvider",))
    for number in range(20):
        scene.hook("run", 100 * number, 150, session=0, thread=PROCESS + number % 2)
    for timeline in (scene.load(tmp_path), captures.resnet()):
        outcome = ask("C1", timeline)
        assert isinstance(outcome, NotApplicable)
        assert not outcome.evidence_missing


def test_a_service_whose_runs_have_streams_of_their_own():
    assert ask("C1", captures.service()) == Passed()
