from __future__ import annotations

from pathlib import Path

from captures import race_program
from holes import without_sync_records

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """An output is read by DLPack after a run that is not complete."""
    return race_program("dlpack_output_no_wait")


def near_miss(folder: Path) -> Timeline:
    """The same, after the reading stream was made to wait for the run."""
    return race_program("dlpack_output_awaited")


def cant_tell(folder: Path) -> Timeline:
    """The fault, in a trace without records of waits."""
    return without_sync_records("dlpack_output_no_wait", folder)
