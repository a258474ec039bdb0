"""B7: binds that change nothing, by the share of the loop that they take."""

from __future__ import annotations

import pytest
from asking import ask, finding
from cases.needless_rebinding import loop
from scene import Scene

from ortprobe.rules import NotApplicable, Passed, Severity


@pytest.mark.parametrize(("dur_us", "severity"), [(8, Severity.WARNING), (2, Severity.INFO)])
def test_the_same_address_in_each_round(tmp_path, dur_us, severity):
    found = finding("B7", loop(dur_us=dur_us), tmp_path)
    assert (found.severity, found.count, found.over_runs) == (severity, 9, 9)
    assert found.cost_ns == 9 * dur_us * 1000
    assert [site.line for site in found.where] == [6]


def test_what_hardly_takes_any_time(tmp_path):
    assert ask("B7", loop(dur_us=0.5).load(tmp_path)) == Passed()


def test_buffers_in_turns(tmp_path):
    assert ask("B7", loop(addresses=(4096, 8192)).load(tmp_path)) == Passed()


def test_a_few_rounds_are_no_loop(tmp_path):
    assert ask("B7", loop(rounds=4).load(tmp_path)) == Passed()


def test_a_new_binding_of_the_same_buffer_in_each_round(tmp_path):
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",))
    for number in range(10):
        start_us = 100 + 100 * number
        scene.hook("io_binding", start_us, 5, session=0, binding=number)
        scene.hook("bind_input", start_us + 6, 8, binding=number, buffer="x", read_address=4096, read_bytes=64)
        scene.hook("run_with_iobinding", start_us + 20, 50, session=0, binding=number)
    assert finding("B7", scene, tmp_path).count == 9


def test_an_output_that_ort_allocates_is_another_each_time(tmp_path):
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",)).hook("io_binding", 60, 1, session=0, binding=0)
    for number in range(10):
        scene.hook("bind_output", 100 + 100 * number, 8, binding=0, buffer="y", device="cuda")
        scene.hook("run_with_iobinding", 120 + 100 * number, 50, session=0, binding=0)
    assert ask("B7", scene.load(tmp_path)) == Passed()


def test_another_size_or_type_is_another_bind(tmp_path):
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",)).hook("io_binding", 60, 1, session=0, binding=0)
    for number in range(10):
        fields = {"read_bytes": 64 * (1 + number % 2)}
        scene.hook("bind_input", 100 + 100 * number, 8, binding=0, buffer="x", read_address=4096, **fields)
        scene.hook("run_with_iobinding", 120 + 100 * number, 50, session=0, binding=0)
    assert ask("B7", scene.load(tmp_path)) == Passed()


def test_no_binding(tmp_path):
    outcome = ask("B7", Scene().session(0, 0, 50).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing
