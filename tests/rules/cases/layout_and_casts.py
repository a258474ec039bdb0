from __future__ import annotations

from pathlib import Path

import captures
from node_loop import PROFILE_ALONE, Node, node_loop

from ortprobe.timeline import Timeline

LAYERS = [Node(op="Cast", kernel_us=30), Node(op="Tanh", kernel_us=30), Node(op="Cast", kernel_us=30)]


def fault(folder: Path) -> Timeline:
    """To half precision and back in each layer, on an H200."""
    return captures.node_program("casts_between_layers")


def near_miss(folder: Path) -> Timeline:
    """The transposes that attention needs: a tenth of the GPU's time."""
    return captures.recorded("graph")


def cant_tell(folder: Path) -> Timeline:
    """ORT's profile alone, which does not know how long the GPU took."""
    return node_loop(*[LAYERS] * 6, attached=PROFILE_ALONE).load(folder)
