from __future__ import annotations

from pathlib import Path

from captures import DATA, race_program
from scene import Scene

from ortprobe.ingest import load_bundle
from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """ResNet-50 with its input copied from plain memory, on an H100."""
    return load_bundle(DATA / "h100-workloads" / "resnet50-pageable.ortprobe")


def near_miss(folder: Path) -> Timeline:
    """The answers to compare with are made with pageable copies, before the loop."""
    return race_program("all_on_user_stream")


def cant_tell(folder: Path) -> Timeline:
    """Two runs, which are no loop."""
    scene = Scene().session(0, 0, 50)
    for number in range(2):
        start_us = 100 + 200 * number
        scene.call("cudaMemcpyAsync", start_us, 20, number + 1)
        scene.memcpy("Memcpy HtoD (Pageable -> Device)", start_us + 10, 30, number + 1, size_bytes=1 << 20)
        scene.hook("run", start_us + 50, 50, session=0, attached=2)
    return scene.load(folder)
