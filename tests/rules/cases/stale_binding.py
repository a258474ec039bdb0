from __future__ import annotations

from pathlib import Path

from holes import calls_lost
from scene import Scene

from ortprobe.timeline import Timeline


def replaced_session() -> Scene:
    """A session that ran with a binding, and one that took its place."""
    scene = Scene().session(0, 0, 100).hook("io_binding", 200, 1, session=0, binding=0, site="app.py:3")
    scene.hook("run_with_iobinding", 300, 10, session=0, binding=0)
    return scene.session(1, 1000, 100, reason="set_providers", replaces=0)


def fault(folder: Path) -> Timeline:
    """A binding made before `set_providers`, and used after it."""
    error = "ValueError: IOBinding must be used"
    scene = replaced_session()
    scene.hook("run_with_iobinding", 2000, 1, session=1, binding=0, site="app.py:9", error=error)
    return scene.load(folder)


def near_miss(folder: Path) -> Timeline:
    """A binding made again after `set_providers`."""
    scene = replaced_session().hook("io_binding", 1200, 1, session=1, binding=1)
    return scene.hook("run_with_iobinding", 2000, 10, session=1, binding=1).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """That, and calls that the log does not hold."""
    return calls_lost(near_miss(folder))
