from __future__ import annotations

from pathlib import Path

import captures
from node_loop import CPU, Node, node_loop
from scene import Scene

from ortprobe.timeline import Timeline


def with_a_cpu_node(host_us: int) -> Scene:
    """Six runs with a node on the CPU that takes so long, between two on the GPU."""
    between = Node(op="Hardmax", provider=CPU, host_us=host_us, kernel_us=0)
    return node_loop(*[[Node(op="Conv"), between, Node(op="Conv")]] * 6)


def fault(folder: Path) -> Timeline:
    """An encoder on an H100 with an operator between its layers that only the CPU has."""
    return captures.workload("encoder-cpu-nodes")


def near_miss(folder: Path) -> Timeline:
    """A node on the CPU that computes next to nothing, as ORT leaves shapes to it."""
    return with_a_cpu_node(8).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """Nobody had ORT write a profile."""
    return Scene().session(0, 0, 100).hook("run", 1000, 200, session=0).load(folder)
