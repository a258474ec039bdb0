from __future__ import annotations

from pathlib import Path

import captures
from scene import Scene

from ortprobe.timeline import Timeline


def read_clocks(ahead_us: float) -> Scene:
    """A run, and one after it by when the wall clock has been set by so much."""
    scene = Scene().session(0, 10, 50).clocks(70).hook("run", 100, 10, session=0).clocks(150)
    return scene.clocks(250, ahead_us).hook("run", 300 + ahead_us, 20, session=0).clocks(400, ahead_us)


def fault(folder: Path) -> Timeline:
    """The wall clock is set forward by 5 ms between two runs."""
    return read_clocks(5000).load(folder)


def near_miss(folder: Path) -> Timeline:
    """The clocks lie 3 µs further apart, as reading one after the other explains."""
    return read_clocks(3).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Bare files, in which nobody read the clocks."""
    return captures.healthy()
