from __future__ import annotations

from pathlib import Path

from asking import runs
from holes import calls_lost
from scene import Scene

from ortprobe.timeline import Timeline


def rebuilt_on_the_cpu(reason: str) -> Scene:
    """A session that ran, and was then built again without the GPU."""
    scene = runs(Scene().session(0, 0, 100), 0, 1000, 10, 10, 10)
    return scene.session(1, 5000, 700, reason=reason, replaces=0, providers=("CPUExecutionProvider",))


def fault(folder: Path) -> Timeline:
    """ORT went back to the CPU inside a run."""
    return rebuilt_on_the_cpu("fallback").load(folder)


def near_miss(folder: Path) -> Timeline:
    """The program itself went to the CPU, by `set_providers`."""
    return rebuilt_on_the_cpu("set_providers").load(folder)


def cant_tell(folder: Path) -> Timeline:
    """That, and calls that the log does not hold."""
    return calls_lost(near_miss(folder))
