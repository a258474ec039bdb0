from __future__ import annotations

from pathlib import Path

import captures
from scene import Scene

from ortprobe.timeline import Timeline

OFF = "GraphOptimizationLevel.ORT_DISABLE_ALL"


def made_with(level: str, *ops: str) -> Scene:
    """A session with this level that executes such nodes."""
    scene = Scene()
    profile = scene.profile().load(10, 10).initialize(30, 60).run(1005, 190)
    for index, op in enumerate(ops):
        profile.node(f"{op}_{index}", 1010 + 30 * index, 20, op=op, index=index)
    scene.session(0, 0, 100, session_options={"graph_optimization_level": level}, site="app.py:4")
    return scene.hook("run", 1000, 200, session=0, attached=1)


def fault(folder: Path) -> Timeline:
    """All optimisations are off, and nodes are executed as the model has them: on an H200."""
    return captures.node_program("optimisation_off")


def near_miss(folder: Path) -> Timeline:
    """They are off for a model that was optimised before it was stored."""
    return made_with(OFF, "FusedConv", "Add").load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Bare files, which don't hold the options."""
    scene = Scene()
    scene.profile().load(10, 10).initialize(30, 60).run(1005, 190).node("Add_0", 1010, 20, op="Add")
    return scene.load(folder)
