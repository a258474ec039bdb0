"""A sound program to plant faults in, and what is then found."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from scene import Scene

from ortprobe.timeline import Problem, ProblemKind, Timeline

KERNELS = 8
"""Of each run."""
TORCH, BOTH = 2, 3
RUN_US = 200


def launches(count: int, lost: Container[int] = ()) -> Scene:
    """Kernels one after another, each launched before it begins; of the lost ones only the launch is left."""
    scene = Scene()
    for number in range(count):
        at_us = 10 * number
        if number in lost:
            scene.call("cudaLaunchKernel", at_us, 2, number + 1)
        else:
            scene.launch("conv", at_us, at_us + 4, 3, number + 1)
    return scene


def program(runs: int, lost_kernels: Container[int] = (), lost_nodes: Container[int] = (), op: str = "Conv") -> Scene:
    """A bundle with hooked, profiled and traced runs of `KERNELS` nodes with a kernel each.

    In the runs named, only the first kernel (with its launch), or the first node, is left.
    """
    scene = Scene(window_us=(0, RUN_US * (runs + 2)))
    profile = scene.profile().load(10, 20).initialize(30, 50)
    scene.session(0, 5, 90, providers=("CUDAExecutionProvider",)).torch_op("aten::empty", 100, 5)
    correlation = 1
    for run in range(runs):
        start_us = RUN_US * (run + 1)
        scene.hook("run", start_us, 150, session=0, attached=BOTH)
        profile.run(start_us + 5, 140)
        for node in range(KERNELS):
            at_us = start_us + 10 + 12 * node
            if run not in lost_nodes or node == 0:
                profile.node(f"node{node}", at_us, 10, op=op, index=node)
            if run not in lost_kernels or node == 0:
                scene.launch("conv", at_us + 2, at_us + 6, 5, correlation)
                correlation += 1
        scene.call("cudaStreamSynchronize", start_us + 120, 20, correlation)
        scene.wait("Stream Sync", start_us + 120, 20, correlation, stream=7)
        correlation += 1
    return scene.torch_op("aten::empty", RUN_US * (runs + 1), 5)


def found(timeline: Timeline, kind: ProblemKind) -> Problem | None:
    """The problem of this kind; fails where there are several."""
    problems = [problem for problem in timeline.problems if problem.kind is kind]
    assert len(problems) <= 1, problems
    return problems[0] if problems else None


def planted(scene: Scene, folder: Path, kind: ProblemKind) -> tuple[Timeline, Problem]:
    """The timeline and the problem that the fault in it must be found as."""
    timeline = scene.load(folder)
    problem = found(timeline, kind)
    assert problem is not None, timeline.problems
    return timeline, problem


def correlations(timeline: Timeline, problem: Problem) -> list[int]:
    """Correlation ids of the spans that a problem cites."""
    return [int(timeline.spans.correlation[span]) for span in problem.evidence]
