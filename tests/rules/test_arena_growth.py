from __future__ import annotations

import captures
import pytest
from asking import ask, named
from cases.arena_growth import MIB, growing

from ortprobe.rules import Passed, Severity
from ortprobe.timeline.intervals import total_ns


def test_growth_behind_the_first_runs_is_found_with_its_nodes(tmp_path):
    timeline = growing(64, 64, 0, 8, 0, 8, 0, 8, 0).load(tmp_path)
    found = ask("F4", timeline)
    assert (found.severity, found.count, found.over_runs) == (Severity.WARNING, 3, 6)
    assert "24.0 MiB" in found.detail
    assert named(timeline, found)[0] == "MatMul_0"


def test_it_costs_the_calls_that_get_memory(tmp_path):
    """A call of 10 µs inside one of the runs that grew, and another where ORT's profile saw nothing grow."""
    scene = growing(64, 64, 0, 8, 0, 8, 0, 8, 0)
    timeline = scene.load(tmp_path / "before")
    starts_us = [(start_ns - timeline.start_ns) // 1000 for start_ns in timeline.runs.start_ns.tolist()]
    for run, duration_us in ((5, 10), (6, 8)):
        scene.call("cudaMalloc", starts_us[run] + 20, duration_us)
    found = ask("F4", scene.load(tmp_path / "after"))
    assert found.count == 4
    assert found.cost_ns == 18_000
    assert total_ns(found.paid) > found.cost_ns, "the whole of these runs"


@pytest.mark.parametrize("grows", [(64, 64, 64, 0, 0, 0), (64, 0, 0, 0, 8, 0), (64, *[0] * 9, 8, 8, 0, 0)])
def test_first_runs_a_large_input_and_a_rare_one_pass(tmp_path, grows):
    assert ask("F4", growing(*grows).load(tmp_path)) == Passed()


@pytest.mark.parametrize(("name", "count"), [("arena_grows_with_the_batch", 9), ("arena_shrinks_after_each_run", 17)])
def test_memory_taken_before_the_first_node_is_seen_by_its_calls(name, count):
    """ORT's profile says of no node in these runs that an arena grew in it."""
    timeline = captures.node_program(name)
    found = ask("F4", timeline)
    assert (found.count, found.over_runs) == (count, 17)
    assert "cudaMalloc" in named(timeline, found)


def test_recorded_programs_of_one_shape_pass():
    assert ask("F4", captures.workload("resnet50-pageable")) == Passed()
    assert captures.workload("resnet50-pageable").node_spans.arena_growth_bytes.max() > MIB
