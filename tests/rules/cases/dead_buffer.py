from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline


def program(*, contiguous: bool | None) -> Scene:
    """Binds the pointer of a tensor, of whose layout this is known, and runs."""
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",))
    scene.hook("io_binding", 60, 1, session=0, binding=0)
    scene.hook(
        "bind_input", 70, 1, binding=0, buffer="x", read_address=4096, read_bytes=64, contiguous=contiguous,
        site="app.py:5",
    )  # fmt: skip
    return scene.hook("run_with_iobinding", 100, 50, session=0, binding=0, site="app.py:8")


def fault(folder: Path) -> Timeline:
    """A run uses the pointer of a tensor that is gone."""
    return program(contiguous=True).hook("dead_buffer", 100, 0, binding=0, buffer="x", site="app.py:8").load(folder)


def near_miss(folder: Path) -> Timeline:
    """The pointer of a contiguous tensor that is still there."""
    return program(contiguous=True).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Memory of no torch tensor, or a capture of before their owners were noted."""
    return program(contiguous=None).load(folder)
