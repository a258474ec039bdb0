from __future__ import annotations

from pathlib import Path

import captures

from cases import nodes_on_the_cpu
from ortprobe.ingest import load_files
from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """The bounds of a `Slice` are computed on the GPU, and wanted on the host: no node computes on the CPU."""
    return captures.node_program("bounds_computed_on_the_gpu")


def near_miss(folder: Path) -> Timeline:
    """A node on the CPU that needs no copy: its input is a shape."""
    return nodes_on_the_cpu.near_miss(folder)


def cant_tell(folder: Path) -> Timeline:
    """A trace of torch alone, which has copies and does not say whose."""
    return load_files(torch=[captures.RACE / "healthy_kineto.json.gz"])
