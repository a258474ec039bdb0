from __future__ import annotations

from pathlib import Path

import captures
from asking import runs
from scene import Scene

from ortprobe.timeline import Timeline


def first_run_of(first_us: float, steady_us: float, later: int) -> Scene:
    """A session whose first run takes so long, and so many later ones."""
    scene = runs(Scene().session(0, 0, 100), 0, 1000, first_us, site="app.py:8")
    return runs(scene, 0, first_us + 100_000, *[steady_us] * later)


def fault(folder: Path) -> Timeline:
    """ResNet-50 on an H100: 441 ms over a steady run."""
    return captures.resnet()


def near_miss(folder: Path) -> Timeline:
    """A first run of 4 times the steady one."""
    return first_run_of(8000, 2000, 3).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Two runs, so that nobody knows what a steady one takes."""
    return first_run_of(400, 20, 1).load(folder)
