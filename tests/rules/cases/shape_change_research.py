from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import captures
from node_loop import Node, node_loop
from scene import Scene

from ortprobe.timeline import Timeline


def convolved(*runs: tuple[int, int], op: str = "Conv") -> Scene:
    """Runs of a convolution, each as (size of its input, how long it took the host)."""
    nodes: list[Sequence[Node]] = [[Node(op=op, shape=(1, 3, size), host_us=host_us)] for size, host_us in runs]
    return node_loop(*nodes)


def fault(folder: Path) -> Timeline:
    """Three sizes in turn on an H200: each change takes 100 ms, also back to a size that was there before."""
    return captures.node_program("convolutions_of_three_shapes")


def near_miss(folder: Path) -> Timeline:
    """Changes that take no longer than what comes between them."""
    return convolved((8, 90_000), (8, 50), (8, 50), (9, 70), (9, 50), (10, 80), (10, 50)).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """No size comes twice in turn, and there is no other operator to compare with."""
    return convolved(*[(size, 30_000) for size in range(8, 14)]).load(folder)
