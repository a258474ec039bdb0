from __future__ import annotations

import captures
import pytest
from asking import ask, named
from cases.arena_growth import MIB, growing

from ortprobe.rules import Passed, Severity
from ortprobe.timeline import Timeline
from ortprobe.timeline.intervals import total_ns


def test_growth_behind_the_first_runs_is_found_with_its_nodes(tmp_path):
    timeline = growing(64, 64, 0, 8, 0, 8, 0, 8, 0).load(tmp_path)
    found = ask("F4", timeline)
    assert (found.severity, found.count, found.over_runs) == (Severity.WARNING, 3, 6)
    assert "24.0 MiB" in found.title
    assert named(timeline, found)[0] == "MatMul_0"


def test_it_costs_the_calls_that_get_memory(tmp_path):
    """A call of 30 µs inside the second of the runs that grew, and one in a run that did not."""
    scene = growing(64, 64, 0, 8, 0, 8, 0, 8, 0)
    timeline = scene.load(tmp_path / "before")
    starts_us = [(start_ns - timeline.start_ns) // 1000 for start_ns in timeline.runs.start_ns.tolist()]
    for run, duration_us in ((5, 30), (6, 70)):
        scene.call("cudaMalloc", starts_us[run] + 20, duration_us)
    found = ask("F4", scene.load(tmp_path / "after"))
    assert found.cost_ns == 30_000
    assert total_ns(found.paid) > found.cost_ns, "the whole of that run"


@pytest.mark.parametrize("grows", [(64, 64, 64, 0, 0, 0), (64, 0, 0, 0, 8, 0), (64, *[0] * 9, 8, 8, 0, 0)])
def test_first_runs_a_large_input_and_a_rare_one_pass(tmp_path, grows):
    assert ask("F4", growing(*grows).load(tmp_path)) == Passed()


def test_a_profile_of_a_newer_version_that_names_no_growth_says_that_there_was_none():
    timeline: Timeline = captures.workload("tiny-threads")
    assert not timeline.node_spans.arena_growth_bytes.any()
    assert ask("F4", timeline) == Passed()


def test_recorded_programs_of_one_shape_pass():
    assert ask("F4", captures.workload("resnet50-pageable")) == Passed()
    assert captures.workload("resnet50-pageable").node_spans.arena_growth_bytes.max() > MIB
