from __future__ import annotations

from pathlib import Path

from captures import race_program
from holes import without_sync_records

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """A slow kernel on the default stream, for which each run waits at its end."""
    return race_program("host_works_after_slow_kernel")


def near_miss(folder: Path) -> Timeline:
    """The wait at the end of a run is what orders the next input."""
    return race_program("run_end_orders")


def cant_tell(folder: Path) -> Timeline:
    """The fault, in a trace without records of waits."""
    return without_sync_records("host_works_after_slow_kernel", folder)
