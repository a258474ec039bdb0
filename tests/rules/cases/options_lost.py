from __future__ import annotations

from pathlib import Path

from holes import calls_lost
from scene import Scene

from ortprobe.timeline import Timeline

CUDA = "CUDAExecutionProvider"
HEURISTIC = {CUDA: {"cudnn_conv_algo_search": "HEURISTIC"}}
EXHAUSTIVE = {CUDA: {"cudnn_conv_algo_search": "EXHAUSTIVE"}}
"""The default."""


def recreated(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]], **fields: object) -> Scene:
    """A session with these provider options, built again with those."""
    again = {"replaces": 0, "provider_options": after, "previous_provider_options": before, **fields}
    scene = Scene().session(0, 0, 100, provider_options=before)
    return scene.session(1, 1000, 100, reason="set_providers", **again)


def fault(folder: Path) -> Timeline:
    """An option went back to its default, and the call did not name it."""
    return recreated(HEURISTIC, EXHAUSTIVE).load(folder)


def near_miss(folder: Path) -> Timeline:
    """It went back to its default because the call asked for it."""
    return recreated(HEURISTIC, EXHAUSTIVE, requested_options=EXHAUSTIVE).load(folder)


def cant_tell(folder: Path) -> Timeline:
    """That, and calls that the log does not hold."""
    return calls_lost(near_miss(folder))
