from __future__ import annotations

from pathlib import Path

from captures import race_program
from holes import without_sync_records

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """`copy_` on the default stream, and nothing makes ORT's own stream wait for it."""
    return race_program("default_no_wait")


def near_miss(folder: Path) -> Timeline:
    """No wait, but the host asks until the event behind the write has happened."""
    return race_program("event_polled")


def cant_tell(folder: Path) -> Timeline:
    """The fault, in a trace without records of waits."""
    return without_sync_records("default_no_wait", folder)
