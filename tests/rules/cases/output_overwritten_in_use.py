from __future__ import annotations

from pathlib import Path

from captures import race_program
from holes import without_sync_records

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """A slow reader of the output, which the next run overwrites."""
    return race_program("output_overwritten")


def near_miss(folder: Path) -> Timeline:
    """The same reader, for which the next run waits."""
    return race_program("reader_awaited")


def cant_tell(folder: Path) -> Timeline:
    """The fault, in a trace without records of waits."""
    return without_sync_records("output_overwritten", folder)
