from __future__ import annotations

from pathlib import Path

from holes import calls_lost
from scene import Scene

from ortprobe.timeline import Timeline


def bound(*binds: tuple[str, int], outputs: tuple[str, ...] = ("boxes", "scores")) -> Scene:
    """A session whose outputs are bound one after the other (name, address), and then a run."""
    scene = Scene().session(0, 0, 100, outputs=outputs).hook("io_binding", 200, 1, session=0, binding=0)
    for number, (name, address) in enumerate(binds):
        scene.hook("bind_output", 300 + 10 * number, 1, binding=0, buffer=name, write_address=address, site="app.py:4")
    return run(scene, 1000)


def run(scene: Scene, start_us: float, **fields: object) -> Scene:
    """A run with the binding."""
    return scene.hook("run_with_iobinding", start_us, 10, session=0, binding=0, **fields)


def fault(folder: Path) -> Timeline:
    """Two buffers under the name of one output."""
    return bound(("boxes", 4096), ("boxes", 8192)).load(folder)


def near_miss(folder: Path) -> Timeline:
    """Each output under its own name, and two buffers of one in turn from run to run."""
    scene = bound(("boxes", 4096), ("scores", 8192))
    scene.hook("bind_output", 2000, 1, binding=0, buffer="boxes", write_address=16384)
    return run(scene, 3000).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """That, and calls that the log does not hold."""
    return calls_lost(near_miss(folder))
