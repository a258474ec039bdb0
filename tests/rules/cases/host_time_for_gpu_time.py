from __future__ import annotations

from pathlib import Path

import captures

from ortprobe.ingest import load_files
from ortprobe.timeline import Timeline


def fault(folder: Path) -> Timeline:
    """ORT's profile of ResNet-50 on a GPU, without a trace of the device."""
    return load_files(ort=[captures.RESNET / "ort_a.json.gz"])


def near_miss(folder: Path) -> Timeline:
    """The same with torch's trace beside it."""
    return captures.resnet()


def cant_tell(folder: Path) -> Timeline:
    """torch's trace, without a profile of ORT."""
    return load_files(torch=[captures.RACE / "healthy_kineto.json.gz"])
