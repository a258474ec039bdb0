from __future__ import annotations

from pathlib import Path

from captures import race_program
from holes import without_sync_records

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """The reader waits for an event that was recorded in front of the run."""
    return race_program("output_event_too_early")


def near_miss(folder: Path) -> Timeline:
    """Runs that return early, and their output is read on the stream that they were given."""
    return race_program("async_on_user_stream")


def cant_tell(folder: Path) -> Timeline:
    """The fault, in a trace without records of waits."""
    return without_sync_records("output_event_too_early", folder)
