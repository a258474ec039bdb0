from __future__ import annotations

from pathlib import Path

import captures
from asking import runs
from scene import Scene

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """`set_providers` between runs."""
    scene = Scene().session(0, 0, 100)
    scene.hook("set_providers", 9_990, 320, session=1, site="app.py:12")
    scene.session(1, 10_000, 300, reason="set_providers", replaces=0, site="app.py:12")
    return runs(runs(scene, 0, 1000, 50, 10, 10), 1, 20_000, 210, 10, 10).load(folder)


def near_miss(folder: Path) -> Timeline:
    """Two sessions side by side, of different models."""
    scene = Scene().session(0, 0, 100, model_path="a.onnx").session(1, 200, 100, model_path="b.onnx", owner=1)
    return runs(runs(scene, 0, 1000, 10, 10), 1, 5000, 10, 10).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """The profile of one session, without hooks."""
    return captures.healthy()
