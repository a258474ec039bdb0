from __future__ import annotations

from pathlib import Path

from holes import calls_lost
from scene import Scene

from ortprobe.timeline import Timeline

ERROR = "RuntimeError: Unknown Provider Type: C"


def fault(folder: Path) -> Timeline:
    """`set_providers` that raised."""
    scene = Scene().session(0, 0, 100).session(1, 1000, 5, reason="set_providers", replaces=0, error=ERROR)
    return scene.hook("set_providers", 1000, 10, site="app.py:5", error=ERROR).load(folder)


def near_miss(folder: Path) -> Timeline:
    """`set_providers` that worked."""
    scene = Scene().session(0, 0, 100).session(1, 1000, 5, reason="set_providers", replaces=0)
    return scene.hook("set_providers", 1000, 10, session=1).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """One that worked, and calls that the log does not hold."""
    return calls_lost(near_miss(folder))
