from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline

GPU = ("CUDAExecutionProvider", "CPUExecutionProvider")


def bound_sizes(sizes: Sequence[int], providers: tuple[str, ...] = GPU) -> Scene:
    """A run with an input of each of these sizes in turn."""
    scene = Scene().session(0, 0, 100, providers=providers)
    scene.hook("io_binding", 200, 5, session=0, binding=0)
    for number, size in enumerate(sizes):
        start_us = 1000 + 400 * number
        fields = {"buffer": "x", "device": "cuda", "read_address": 4096, "read_bytes": size}
        scene.hook("bind_input", start_us, 5, binding=0, **fields)
        scene.hook("run_with_iobinding", start_us + 10, 200, session=0, binding=0, site="app.py:8")
    return scene


def fault(folder: Path) -> Timeline:
    """Every second run is larger than all before."""
    return bound_sizes([1000 + number // 2 for number in range(20)]).load(folder)


def near_miss(folder: Path) -> Timeline:
    """Eight sizes, all of which came in the first runs."""
    return bound_sizes([1000 + number % 8 for number in range(20)]).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Five runs are too few to see whether there is an end."""
    return bound_sizes(range(1000, 1005)).load(folder)
