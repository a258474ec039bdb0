from __future__ import annotations

from pathlib import Path

import captures
from holes import calls_lost
from scene import Scene

from cases.graph_not_replayed import CAPTURE, LAUNCH, REPLAY, graph_run, graph_session
from ortprobe.timeline import Timeline

FIRST, SECOND = 4096, 8192


def bind(scene: Scene, number: int, address: int) -> None:
    """The input is bound at this address before a run of that number."""
    fields = {"buffer": "x", "device": "cuda", "read_address": address, "read_bytes": 64, "site": "app.py:6"}
    scene.hook("bind_input", 1000 * (number + 1) - 50, 5, binding=0, **fields)


def rebound(*runs: tuple[int, tuple[str, ...], str]) -> Scene:
    """Runs, each as (address of its input, CUDA calls, gpu_graph_id)."""
    scene = graph_session().hook("io_binding", 200, 5, session=0, binding=0)
    for number, (address, calls, graph_id) in enumerate(runs):
        bind(scene, number, address)
        graph_run(scene, number, calls, graph_id=graph_id)
    return scene


def fault(folder: Path) -> Timeline:
    """Captured with one input, replayed with another bound in its place: on an H200."""
    return captures.node_program("graph_with_other_buffers")


def near_miss(folder: Path) -> Timeline:
    """Another input with a graph of its own, and one with a run that replays none."""
    runs = (FIRST, CAPTURE, "1"), (SECOND, CAPTURE, "2"), (SECOND, REPLAY, "2"), (FIRST, REPLAY, "1")
    return rebound(*runs, (3 * FIRST, LAUNCH, "-1")).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Calls are missing from the log, and binds may be among them."""
    return calls_lost(near_miss(folder))
