from __future__ import annotations

from pathlib import Path

import captures
from node_loop import EVERYTHING, PROFILE_ALONE, Node, node_loop
from scene import Scene

from ortprobe.timeline import Timeline

MIB = 1 << 20


def growing(*grows: int, attached: int = EVERYTHING) -> Scene:
    """Runs in which the arena grows by so many MiB."""
    return node_loop(*[[Node(op="MatMul", arena_bytes=mib * MIB)] for mib in grows], attached=attached)


def fault(folder: Path) -> Timeline:
    """Each run on an H200 gives its memory back, and the next asks for it."""
    return captures.node_program("arena_shrinks_after_each_run")


def near_miss(folder: Path) -> Timeline:
    """Twenty batch sizes, the largest first."""
    return captures.node_program("largest_batch_first")


def cant_tell(folder: Path) -> Timeline:
    """A profile that does not say how arenas grew, as those of ORT before 1.28, and no GPU trace."""
    return growing(*[0] * 9, attached=PROFILE_ALONE).load(folder)
