from __future__ import annotations

from pathlib import Path

from captures import race_program
from holes import without_sync_records

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """The given stream waits for the writing one before the input is written, not after."""
    return race_program("user_stream_waits_too_early")


def near_miss(folder: Path) -> Timeline:
    """The given stream waits for a stream without work, which waits for the writing one."""
    return race_program("idle_middle_stream")


def cant_tell(folder: Path) -> Timeline:
    """The fault, in a trace without records of waits."""
    return without_sync_records("user_stream_waits_too_early", folder)
