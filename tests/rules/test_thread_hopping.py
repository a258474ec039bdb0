from __future__ import annotations

import captures
import pytest
from asking import ask
from cases.thread_hopping import on_threads
from node_loop import Node, run_of
from scene import Scene

from ortprobe.rules import NotApplicable, Passed, Severity


def test_ever_new_threads_are_information_where_nobody_saw_what_they_cost(tmp_path):
    found = ask("F5", on_threads(range(12)).load(tmp_path))
    assert (found.severity, found.count, found.cost_ns) == (Severity.INFO, 11, None)
    assert found.title.startswith("12 runs came from 12 threads")


def test_they_cost_what_making_streams_and_memory_took(tmp_path):
    scene = Scene(window_us=(0, 1_000_000))
    profile = scene.profile().load(10, 10).initialize(30, 60)
    scene.session(0, 0, 100, providers=("CUDAExecutionProvider", "CPUExecutionProvider"))
    start_us = 1000
    for number in range(8):
        scene.call("cudaStreamCreateWithFlags", start_us + 14, 3, thread=5000 + number)
        nodes = [Node(op="MatMul", host_us=40, arena_bytes=1 << 20)]
        start_us = run_of(scene, profile, start_us, number, nodes, thread=5000 + number) + 100
    found = ask("F5", scene.load(tmp_path))
    assert (found.severity, found.over_runs) == (Severity.WARNING, 7)
    assert found.cost_ns == 7 * 3000
    assert "grew by 7.00 MiB" in found.detail


@pytest.mark.parametrize("threads", [[0] * 12, [0, 1] * 6, [*range(5), *[0] * 7], [*range(8), *[7] * 12]])
def test_threads_that_stay_pass(tmp_path, threads):
    assert ask("F5", on_threads(threads).load(tmp_path)) == Passed()


def test_on_the_cpu_there_are_no_streams_to_make(tmp_path):
    outcome = ask("F5", on_threads(range(12), providers=("CPUExecutionProvider",)).load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_a_service_with_a_pool_passes():
    assert ask("F5", captures.service()) == Passed()
