from __future__ import annotations

from pathlib import Path

from node_loop import Node, node_loop
from scene import Scene

from ortprobe.timeline import Timeline

MIB = 1 << 20


def growing(*grows: int) -> Scene:
    """Runs in which the arena grows by so many MiB."""
    return node_loop(*[[Node(op="MatMul", arena_bytes=mib * MIB)] for mib in grows])


def fault(folder: Path) -> Timeline:
    """It grows in every second run."""
    return growing(64, 64, 0, 8, 0, 8, 0, 8, 0).load(folder)


def near_miss(folder: Path) -> Timeline:
    """It grows in the first two runs, and once for a larger input."""
    return growing(64, 64, 0, 0, 0, 8, 0, 0, 0).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """A profile that does not say how arenas grew, as those of ORT before 1.28."""
    return growing(*[0] * 9).load(folder)
