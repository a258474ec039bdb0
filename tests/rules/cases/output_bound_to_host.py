from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline

CUDA = ("CUDAExecutionProvider", "CPUExecutionProvider")


def program(*, device: str = "cpu", origin: str = "", read_address: int = 8192) -> Scene:
    """An output is bound to `device`, and something of the host is copied to the GPU after each run."""
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",), providers=CUDA)
    scene.hook("io_binding", 60, 1, session=0, binding=0)
    scene.hook("bind_output", 70, 1, binding=0, buffer="y", device=device, site="app.py:4")
    for number in range(3):
        start_us = 100 + 200 * number
        scene.hook("run_with_iobinding", start_us, 50, session=0, binding=0, site="app.py:7")
        scene.hook(
            "to", start_us + 60, 20, device="cuda:0", stream=0, read_address=read_address, read_bytes=4096,
            write_address=1 << 30, write_bytes=4096, origin=origin, site="app.py:8",
        )  # fmt: skip
    return scene


def fault(folder: Path) -> Timeline:
    """It is the output that is copied back."""
    return program(origin="binding").load(folder)


def near_miss(folder: Path) -> Timeline:
    """The output stays on the host, and what is copied to the GPU was always there."""
    return program(origin="host").load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Nobody looked at what is copied to the GPU."""
    return program().load(folder)
