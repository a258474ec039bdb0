from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline

CUDA = ("CUDAExecutionProvider", "CPUExecutionProvider")


def bound() -> Scene:
    """An array of the host that is bound to a session on the GPU."""
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",), providers=CUDA)
    scene.hook("io_binding", 60, 1, session=0, binding=0)
    return bind(scene, 70)


def bind(scene: Scene, at_us: float) -> Scene:
    return scene.hook("bind_cpu_input", at_us, 5, binding=0, buffer="x", site="app.py:5")


def run(scene: Scene, at_us: float, comparison: str = "") -> Scene:
    """A run, and how the array compares then."""
    scene.hook("run_with_iobinding", at_us, 50, session=0, binding=0, site="app.py:8")
    if comparison:
        scene.hook(f"input.{comparison}", at_us, 0, binding=0, buffer="x", site="app.py:8")
    return scene


def fault(folder: Path) -> Timeline:
    """Bound once; when it runs again, the array is another."""
    return run(run(bound(), 100, "same"), 200, "changed").load(folder)


def near_miss(folder: Path) -> Timeline:
    """What was bound is overwritten with the next input before the run, and bound again behind it."""
    return run(bind(run(bound(), 100, "changed"), 160), 200, "changed").load(folder)


def cant_tell(folder: Path) -> Timeline:
    """One bind for two runs, and nobody compared."""
    return run(run(bound(), 100), 200).load(folder)
