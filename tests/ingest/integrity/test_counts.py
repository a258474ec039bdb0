"""Runs with far fewer kernels or nodes than their like."""

from __future__ import annotations

from pathlib import Path

import captures
import pytest

from ortprobe.timeline import ProblemKind

from .planted import RUN_US, TORCH, found, planted, program

JUMPS = (ProblemKind.FEWER_KERNELS, ProblemKind.FEWER_NODES)


def test_a_run_that_lost_its_kernels_and_their_launches(tmp_path: Path) -> None:
    timeline, problem = planted(program(8, lost_kernels={5}), tmp_path, ProblemKind.FEWER_KERNELS)
    assert problem.evidence == (int(timeline.runs.hook_span[5]),)
    assert found(timeline, ProblemKind.FEWER_NODES) is None


def test_a_run_that_lost_its_nodes(tmp_path: Path) -> None:
    timeline, problem = planted(program(8, lost_nodes={5}), tmp_path, ProblemKind.FEWER_NODES)
    assert problem.evidence == (int(timeline.runs.hook_span[5]),)
    assert found(timeline, ProblemKind.FEWER_KERNELS) is None


@pytest.mark.parametrize(
    "scene",
    [
        program(8),
        program(4, lost_kernels={3}),
        program(8, lost_kernels={5}, lost_nodes={5}, op="Loop"),
        program(8, lost_kernels={5}).call("cudaGraphLaunch", RUN_US * 6 + 110, 2, 900),
    ],
    ids=["all alike", "too few to compare", "as often as the data says", "in a CUDA graph"],
)
def test_what_explains_itself_is_no_jump(tmp_path: Path, scene) -> None:
    timeline = scene.load(tmp_path)
    assert not [kind for kind in JUMPS if found(timeline, kind)]


def test_lost_kernels_that_are_known_are_not_told_twice(tmp_path: Path) -> None:
    scene = program(8, lost_kernels={5})
    for node in range(1, 8):
        scene.call("cudaLaunchKernel", RUN_US * 6 + 12 + 12 * node, 2, 900 + node)
    timeline = scene.load(tmp_path)
    assert found(timeline, ProblemKind.FEWER_KERNELS) is None
    assert found(timeline, ProblemKind.LAUNCHES_WITHOUT_WORK).count == 7


def test_a_run_without_any_call_in_a_trace_that_has_those_of_the_others(tmp_path: Path) -> None:
    scene = program(6).hook("run", RUN_US * 7, 100, session=0, attached=TORCH).torch_op("aten::add", RUN_US * 9, 5)
    timeline, problem = planted(scene, tmp_path, ProblemKind.FEWER_KERNELS)
    assert "no CUDA call at all" in problem.detail
    assert problem.evidence == (int(timeline.runs.hook_span[6]),)


def test_first_runs_and_runs_after_a_re_initialisation_have_as_many() -> None:
    for timeline in (captures.resnet(), captures.service(), captures.example("set-providers").timeline):
        assert not [kind for kind in JUMPS if found(timeline, kind)]
