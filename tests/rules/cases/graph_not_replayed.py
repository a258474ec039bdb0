from __future__ import annotations

from pathlib import Path

import captures
from scene import PROCESS, Scene

from ortprobe.timeline import Timeline

ASKED = {"CUDAExecutionProvider": {"enable_cuda_graph": "1"}}
LAUNCH, REPLAY = ("cudaLaunchKernel",), ("cudaGraphLaunch",)
CAPTURE = (*LAUNCH, *REPLAY)
TORCH_ALONE = 2


def graph_session() -> Scene:
    """A session that was asked for CUDA graphs."""
    return Scene(window_us=(0, 1_000_000)).session(0, 0, 100, provider_options=ASKED, site="app.py:4")


def graph_run(
    scene: Scene, number: int, calls: tuple[str, ...], *, graph_id: str = "", thread: int = PROCESS, **fields: object
) -> Scene:  # fmt: skip
    """A run that makes these CUDA calls, of 100 µs for each; none are watched where there are none."""
    start_us, options = 1000 * (number + 1), {"gpu_graph_id": graph_id} if graph_id else {}
    dur_us = 100 * max(len(calls), 1)
    scene.hook(
        "run_with_iobinding", start_us, dur_us, session=0, binding=0, thread=thread, options=options, site="app.py:8",
        attached=TORCH_ALONE if calls else 0, **fields,
    )  # fmt: skip
    for at, call in enumerate(calls):
        correlation = 10 * number + at + 1
        scene.call(call, start_us + 100 * at + 5, 5, correlation, thread=thread)
        scene.kernel("k", start_us + 100 * at + 20, 30, correlation)
    return scene


def fault(folder: Path) -> Timeline:
    """The `gpu_graph_id` of every run is -1: on an H200."""
    return captures.node_program("graph_switched_off_by_each_run")


def near_miss(folder: Path) -> Timeline:
    """The first run captures, the others replay."""
    return captures.recorded("graph")


def cant_tell(folder: Path) -> Timeline:
    """Nothing but the hooks was there."""
    scene = graph_session()
    for number in range(6):
        graph_run(scene, number, ())
    return scene.load(folder)
