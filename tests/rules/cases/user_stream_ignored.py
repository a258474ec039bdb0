from __future__ import annotations

from pathlib import Path

from captures import race_program, racy

from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """The handle of the default stream, 0, given as `user_compute_stream`."""
    return race_program("default_stream_handle")


def near_miss(folder: Path) -> Timeline:
    """A stream of torch's given, and taken."""
    return race_program("all_on_user_stream")


def cant_tell(folder: Path) -> Timeline:
    """Bare files, without what sessions were asked for."""
    return racy()
