"""Captures with a hole in them."""

from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path

from captures import race_recording

from ortprobe.ingest import load_bundle
from ortprobe.timeline import Problem, ProblemKind, Timeline


def with_problem(timeline: Timeline, kind: ProblemKind, count: int = 1) -> Timeline:
    """The same, with one problem in the place of all that it has."""
    return replace(timeline, problems=(Problem(kind=kind, detail="planted", count=count),))


def calls_lost(timeline: Timeline) -> Timeline:
    """The same, where more calls were made than the log holds."""
    return with_problem(timeline, ProblemKind.CALLS_LOST, 1000)


def without_sync_records(name: str, folder: Path) -> Timeline:
    """One of the recorded programs, with neither synchronisation records nor event records in its traces."""
    with zipfile.ZipFile(race_recording(name)) as archive:
        archive.extractall(folder)
    for path in folder.rglob("torch-*.json.gz"):
        trace = json.loads(gzip.decompress(path.read_bytes()))
        rows = trace["traceEvents"]
        trace["traceEvents"] = [row for row in rows if row.get("cat") not in ("cuda_sync", "cuda_event")]
        path.write_bytes(gzip.compress(json.dumps(trace).encode()))
    (manifest,) = folder.rglob("manifest.json")
    return load_bundle(manifest.parent)
