"""A loop of runs that ORT's profile and torch's profiler watched, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scene import PROCESS, Profile, Scene

EVERYTHING, TORCH_ALONE, PROFILE_ALONE = 3, 2, 1
"""What is attached to a run, as bits: 1 is ORT's profile, 2 is torch's profiler."""
CPU = "CPUExecutionProvider"
STREAM = 7


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node of each run."""

    op: str
    host_us: int = 20
    kernel_us: int = 5
    """0 for a node that launches nothing."""
    provider: str = "CUDAExecutionProvider"
    wait_us: int = 0
    """How long the node waits for its stream behind its launch; 0 for not at all."""
    shape: tuple[int, ...] = (1, 3)
    arena_bytes: int = 0


def node_loop(*runs: Sequence[Node], attached: int = EVERYTHING, gap_us: int = 300) -> Scene:
    """One session on a GPU that runs these nodes, run by run."""
    scene = Scene(window_us=(0, 1_000_000))
    profile = scene.profile().load(10, 10).initialize(30, 60)
    providers = ("CUDAExecutionProvider", CPU)
    scene.session(0, 0, 100, providers=providers, requested_providers=providers, site="app.py:4")
    start_us = 1000
    for number, nodes in enumerate(runs):
        start_us = run_of(scene, profile, start_us, number, nodes, attached=attached) + gap_us
    return scene


def run_of(
    scene: Scene, profile: Profile, start_us: int, number: int, nodes: Sequence[Node], *, attached: int = EVERYTHING,
    thread: int = PROCESS,
) -> int:  # fmt: skip
    """One run; returns when it was over. Its last call waits for the stream."""
    at_us, done_us, traced, profiled = start_us + 10, start_us, attached & TORCH_ALONE, attached & PROFILE_ALONE
    for index, node in enumerate(nodes):
        if profiled:
            profile.node(
                f"{node.op}_{index}", at_us, node.host_us, op=node.op, provider=node.provider, index=index,
                thread=thread, shape=node.shape, arena_bytes=node.arena_bytes,
            )  # fmt: skip
        correlation = 1000 * (number + 1) + 10 * index
        if node.kernel_us and traced:
            begin_us = max(done_us, at_us + 6)
            scene.launch(f"k_{node.op}", at_us + 2, begin_us, node.kernel_us, correlation, stream=STREAM, thread=thread)
            done_us = begin_us + node.kernel_us
        if node.wait_us and traced:
            _wait(scene, at_us + 5, node.wait_us, correlation + 1, thread)
        at_us += node.host_us + 1
    if traced:
        _wait(scene, at_us + 1, max(done_us - at_us, 1), 1000 * (number + 1) + 999, thread)
    end_us = max(done_us, at_us) + 4
    if profiled:
        profile.run(start_us + 3, end_us - start_us - 4, thread)
    scene.hook("run", start_us, end_us - start_us, session=0, attached=attached, thread=thread, site="app.py:8")
    return end_us


def _wait(scene: Scene, start_us: int, dur_us: int, correlation: int, thread: int) -> None:
    scene.call("cudaStreamSynchronize", start_us, dur_us, correlation, thread=thread)
    scene.wait("Stream Sync", start_us, dur_us, correlation, stream=STREAM)
