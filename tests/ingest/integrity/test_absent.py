"""Whole kinds of evidence that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from scene import Scene

from ortprobe.timeline import ProblemKind

TORCH = 2
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("providers", "attached", "is_strange"),
    [((CUDA, CPU), TORCH, True), ((CUDA, CPU), 0, False), ((CPU,), TORCH, False)],
)
def test_runs_on_a_gpu_that_left_no_kernel_are_strange(
    tmp_path: Path, providers: tuple[str, ...], attached: int, is_strange: bool
) -> None:
    """Kineto goes on without a word when another tool has CUPTI."""
    scene = Scene().session(0, 0, 70, providers=providers)
    for start in (100, 200, 300):
        scene.hook("run", start, 60, session=0, attached=attached)
    (problem,) = (found for found in scene.load(tmp_path).problems if found.kind is ProblemKind.NO_GPU_TRACE)
    assert ("3 runs on a GPU" in problem.detail) == is_strange
