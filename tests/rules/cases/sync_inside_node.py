from __future__ import annotations

from pathlib import Path

import captures
from node_loop import PROFILE_ALONE, Node, node_loop

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """`NonZero` waits for the number of what it found: on an H200."""
    return captures.node_program("selected_by_indices")


def near_miss(folder: Path) -> Timeline:
    """It waits in the first run alone, while something is set up."""
    waiting, going_on = (Node(op="NonZero", host_us=60, kernel_us=30, wait_us=wait_us) for wait_us in (40, 0))
    return node_loop([waiting, Node(op="Relu")], *[[going_on, Node(op="Relu")]] * 5).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """ORT's profile alone: host times of nodes, and no CUDA call."""
    return node_loop(*[[Node(op="NonZero", host_us=60), Node(op="Relu")]] * 6, attached=PROFILE_ALONE).load(folder)
