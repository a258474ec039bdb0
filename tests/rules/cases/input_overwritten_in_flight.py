from __future__ import annotations

from pathlib import Path

from captures import race_program

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """The refill waits for an event that was recorded in front of the run that reads the input."""
    return race_program("refill_event_too_early")


def near_miss(folder: Path) -> Timeline:
    """The same event, recorded behind the run."""
    return race_program("refill_after_event")


def cant_tell(folder: Path) -> Timeline:
    """Freed inputs: whether their memory may be used is asked by queries, and a trace does not hold the answers."""
    return race_program("record_stream")
