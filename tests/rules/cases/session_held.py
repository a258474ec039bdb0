from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline

CUDA = ("CUDAExecutionProvider", "CPUExecutionProvider")


def sessions(*, models: tuple[str, str] = ("m.onnx", "m.onnx"), versions: str = "") -> Scene:
    """A session that runs three times, and then another one that does."""
    scene = Scene()
    for number, model in enumerate(models):
        start_us = 1000 * number
        scene.session(number, start_us, 100, model_path=model, owner=number, site="app.py:3", providers=CUDA)
        for run in range(3):
            scene.hook("run", start_us + 200 + 100 * run, 50, session=number)
    return scene


def fault(folder: Path) -> Timeline:
    """The earlier session is kept until the end, and not used any more."""
    return sessions().load(folder)


def near_miss(folder: Path) -> Timeline:
    """The earlier session is used again when the later one has run."""
    return sessions().hook("run", 2000, 50, session=0).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """`set_providers` replaced a session that a binding had been made for, and nobody saw what became of that."""
    scene = Scene().session(0, 0, 100, model_path="m.onnx").hook("io_binding", 200, 1, session=0, binding=0)
    scene.session(1, 500, 100, model_path="m.onnx", reason="set_providers", replaces=0)
    return scene.hook("io_binding", 700, 1, session=1, binding=1).load(folder)
