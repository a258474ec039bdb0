"""B3 and B6: data that goes through the host on its way from the GPU to the GPU."""

from __future__ import annotations

import pytest
from asking import ask, finding
from cases.host_round_trip import feeding
from cases.output_bound_to_host import program
from scene import Scene

from ortprobe.rules import Confidence, NotApplicable, Passed, Severity


def with_copies(scene: Scene, size_bytes: int, *, run_us: float = 100, every_us: float = 200) -> Scene:
    """The copies that ORT makes of a feed and an output, and torch's to the GPU, in three rounds. Each takes 20 µs."""
    for number in range(3):
        start_us, correlation = run_us + every_us * number, 10 * number + 1
        for index, (call_us, name) in enumerate(((2, "HtoD (Pageable -> Device)"), (25, "DtoH (Device -> Pageable)"),
                                                 (62, "HtoD (Pageable -> Device)"))):  # fmt: skip
            scene.call("cudaMemcpyAsync", start_us + call_us, 2, correlation + index)
            scene.memcpy(
                f"Memcpy {name}", start_us + call_us + 2, 20, correlation + index, stream=7, size_bytes=size_bytes
            )
    return scene


def test_into_a_run_and_out_of_it(tmp_path):
    found = finding("B6", with_copies(feeding("gpu", back="run"), 64), tmp_path)
    assert (found.severity, found.confidence, found.count) == (Severity.WARNING, Confidence.CERTAIN, 6)
    # In each round: ORT's copies of the feed and of the output, and torch's; none of torch's to the host was seen.
    assert found.cost_ns == 3 * 3 * 20_000
    assert found.over_runs == 3
    assert [site.line for site in found.where] == [7, 8]


def test_one_way_is_information(tmp_path):
    found = finding("B6", with_copies(feeding("gpu"), 64), tmp_path)
    assert (found.severity, found.count) == (Severity.INFO, 3)
    assert found.cost_ns == 3 * 20_000


def test_copies_of_another_size_are_of_something_else(tmp_path):
    assert finding("B6", with_copies(feeding("gpu"), 128), tmp_path).cost_ns is None


@pytest.mark.parametrize("origin", ["run", "binding"])
def test_from_one_session_into_the_next(tmp_path, origin):
    scene = feeding("host", runs=1).hook("run", 500, 50, session=0, run=7, attached=2)
    scene.hook("feed", 500, 0, buffer="x", device="cpu", read_address=4096, read_bytes=64, origin=origin, run=7)
    assert finding("B6", scene, tmp_path).count == 1


def test_what_a_session_on_the_cpu_gave_has_to_go_to_the_gpu(tmp_path):
    scene = Scene().session(0, 0, 50, providers=("CPUExecutionProvider",)).hook("run", 100, 50, session=0, attached=2)
    scene.hook("cuda", 160, 20, device="cuda:0", stream=0, read_address=8192, read_bytes=64, origin="run")
    outcome = ask("B6", scene.load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_arrays_of_the_host(tmp_path):
    assert ask("B6", feeding("host", back="host").load(tmp_path)) == Passed()


def test_feeds_that_nobody_looked_at(tmp_path):
    outcome = ask("B6", feeding("").load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_an_output_that_was_bound_to_the_host_and_goes_back(tmp_path):
    found = finding("B3", with_copies(program(origin="binding"), 4096), tmp_path)
    assert (found.severity, found.count) == (Severity.WARNING, 3)
    assert found.cost_ns == 3 * 2 * 20_000
    assert [site.line for site in found.where] == [8]


def test_the_memory_that_the_program_bound_is_known_by_its_address(tmp_path):
    scene = program(origin="host", read_address=12288)
    scene.hook(
        "bind_output", 80, 1, binding=0, buffer="y", device="cpu", write_address=12288, write_bytes=4096
    )  # fmt: skip
    assert finding("B3", scene, tmp_path).count == 3


def test_an_output_that_stays_on_the_host(tmp_path):
    assert ask("B3", program(origin="host").load(tmp_path)) == Passed()


def test_an_output_on_the_gpu(tmp_path):
    outcome = ask("B3", program(device="cuda", origin="host").load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_copies_that_nobody_looked_at(tmp_path):
    outcome = ask("B3", program().load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert outcome.evidence_missing


def test_a_copy_on_the_device_is_none_from_the_host(tmp_path):
    scene = program(origin="").call("cudaMemcpyAsync", 162, 2, 1)
    scene.memcpy("Memcpy DtoD (Device -> Device)", 165, 5, 1)
    assert ask("B3", scene.load(tmp_path)) == Passed()
