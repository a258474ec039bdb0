from __future__ import annotations

from pathlib import Path

from captures import race_program

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """`synchronize()` before work of the host's own that needs nothing of the GPU."""
    return race_program("host_works_after_waiting")


def near_miss(folder: Path) -> Timeline:
    """`synchronize()` behind the copy, without which the run would read too early."""
    return race_program("default_synchronize")


def cant_tell(folder: Path) -> Timeline:
    """A wait for torch's work on a third stream, in memory that nobody watched."""
    return race_program("other_torch_work_awaited")
