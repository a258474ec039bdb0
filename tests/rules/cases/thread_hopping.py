from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import captures
from scene import Scene

from ortprobe.timeline import Timeline

GPU = ("CUDAExecutionProvider", "CPUExecutionProvider")


def on_threads(threads: Sequence[int], providers: tuple[str, ...] = GPU) -> Scene:
    """A run on each of these threads in turn."""
    scene = Scene().session(0, 0, 100, providers=providers)
    for number, thread in enumerate(threads):
        scene.hook("run", 1000 + 400 * number, 200, session=0, thread=5000 + thread, site="app.py:8")
    return scene


def fault(folder: Path) -> Timeline:
    """A thread for each of forty requests, on an H200."""
    return captures.node_program("thread_for_each_run")


def near_miss(folder: Path) -> Timeline:
    """A pool of six threads, all of which are at work from the start."""
    return on_threads([number % 6 for number in range(24)]).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Three runs on three threads."""
    return on_threads(range(3)).load(folder)
