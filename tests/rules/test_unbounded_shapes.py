from __future__ import annotations

import captures
import pytest
from asking import ask
from cases import unbounded_shapes
from cases.unbounded_shapes import bound_sizes
from node_loop import Node, node_loop

from ortprobe.rules import NotApplicable, Passed, Severity


def test_sizes_without_an_end_are_information(tmp_path):
    found = ask("F3", unbounded_shapes.fault(tmp_path))
    assert (found.severity, found.count, found.cost_ns) == (Severity.INFO, 9, None)
    assert found.title.startswith("Inputs had 10 different sizes in 20 runs")
    assert [str(site) for site in found.where] == ["app.py:8"]


def test_shapes_in_the_profile_tell_it_where_no_bind_was_seen(tmp_path):
    runs = [[Node(op="MatMul", shape=(number, 3))] for number in range(14)]
    found = ask("F3", node_loop(*runs).load(tmp_path))
    assert found.count == 13


@pytest.mark.parametrize("sizes", [[1] * 20, [1, 2, 3] * 7, [*range(10), *[0] * 14]])
def test_a_set_of_sizes_that_has_an_end_passes(tmp_path, sizes):
    assert ask("F3", bound_sizes([1000 + size for size in sizes]).load(tmp_path)) == Passed()


def test_on_the_cpu_it_does_not_matter(tmp_path):
    scene = bound_sizes(range(1000, 1020), providers=("CPUExecutionProvider",))
    outcome = ask("F3", scene.load(tmp_path))
    assert isinstance(outcome, NotApplicable)
    assert not outcome.evidence_missing


def test_recorded_programs_of_one_shape_pass():
    assert ask("F3", captures.workload("encoder-cpu-nodes")) == Passed()
