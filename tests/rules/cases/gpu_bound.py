from __future__ import annotations

from pathlib import Path

import captures

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """Replays of a CUDA graph: nothing is left for the host to do."""
    return captures.recorded("graph")


def near_miss(folder: Path) -> Timeline:
    """The host waits as long, for a kernel of torch's."""
    return captures.race_program("host_works_after_slow_kernel")


def cant_tell(folder: Path) -> Timeline:
    """ORT's profile was attached to all runs, which makes launching slower."""
    return captures.healthy()
