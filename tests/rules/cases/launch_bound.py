from __future__ import annotations

from pathlib import Path

import captures

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """A chain of 80 kernels of 2 µs each, on two threads of an H100."""
    return captures.workload("tiny-threads")


def near_miss(folder: Path) -> Timeline:
    """The GPU idles for most of each run as well, since nodes on the CPU hold it up: N1 says so."""
    return captures.workload("encoder-cpu-nodes")


def cant_tell(folder: Path) -> Timeline:
    """ORT's profile was attached to all runs, which makes launching slower."""
    return captures.healthy()
