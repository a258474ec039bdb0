from __future__ import annotations

from pathlib import Path

import captures

from ortprobe.ingest import load_files
from ortprobe.timeline import Timeline


def profile(version: str, name: str) -> Timeline:
    """A profile that a version of ORT wrote, without anything else."""
    return load_files(ort=[captures.DATA / "ort-versions" / version / f"{name}.json.gz"])


def fault(folder: Path) -> Timeline:
    """A profile with the million events that ORT records at most."""
    return profile("1.31.1", "truncated")


def near_miss(folder: Path) -> Timeline:
    """A profile that ORT wrote at the session's end."""
    return profile("1.31.1", "plain")


def cant_tell(folder: Path) -> Timeline:
    """torch's trace, without a profile of ORT."""
    return load_files(torch=[captures.RACE / "healthy_kineto.json.gz"])
