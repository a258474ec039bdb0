from __future__ import annotations

from pathlib import Path

from scene import Scene

from ortprobe.timeline import Timeline

CUDA = ("CUDAExecutionProvider", "CPUExecutionProvider")


def feeding(origin: str, *, back: str = "", runs: int = 3) -> Scene:
    """Arrays from here or there are fed to runs; with `back`, what is copied to the GPU then."""
    scene = Scene().session(0, 0, 50, inputs=("x",), outputs=("y",), providers=CUDA)
    for number in range(runs):
        start_us = 100 + 200 * number
        scene.hook("run", start_us, 50, session=0, run=number, attached=2, site="app.py:7")
        scene.hook(
            "feed", start_us, 0, buffer="x", device="cpu", read_address=4096, read_bytes=64, origin=origin, run=number,
            site="app.py:7",
        )  # fmt: skip
        if back:
            scene.hook(
                "cuda", start_us + 60, 20, device="cuda:0", stream=0, read_address=8192, read_bytes=64,
                write_address=1 << 30, write_bytes=64, origin=back, site="app.py:8",
            )  # fmt: skip
    return scene


def fault(folder: Path) -> Timeline:
    """What is fed was copied from the GPU."""
    return feeding("gpu", back="run").load(folder)


def near_miss(folder: Path) -> Timeline:
    """What is fed was always on the host, and other data goes to the GPU."""
    return feeding("host", back="host").load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Nobody looked at where it came from."""
    return feeding("").load(folder)
