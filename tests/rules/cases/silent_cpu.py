from __future__ import annotations

from pathlib import Path

import captures
from scene import Scene

from ortprobe.timeline import Timeline

CUDA, CPU, TENSORRT = "CUDAExecutionProvider", "CPUExecutionProvider", "TensorrtExecutionProvider"


def session(asked: tuple[str, ...], got: tuple[str, ...]) -> Scene:
    """A session that asked for these providers and has those."""
    return Scene().session(0, 0, 100, requested_providers=asked, providers=got, site="app.py:2")


def fault(folder: Path) -> Timeline:
    """CUDA was asked for, and the session has the CPU alone."""
    return session((CUDA, CPU), (CPU,)).load(folder)


def near_miss(folder: Path) -> Timeline:
    """TensorRT was asked for, and CUDA took its place, as it is made to."""
    return session((TENSORRT, CUDA, CPU), (CUDA, CPU)).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Bare files, without what was asked for."""
    return captures.healthy()
