"""The recordings in `tests/data`, loaded as a user would load them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ortprobe.analysis.analyses import Analyses
from ortprobe.ingest import load_bundle, load_files
from ortprobe.timeline import Timeline

DATA = Path(__file__).parent / "data"
RESNET = DATA / "h100-resnet50"
RACE = DATA / "h100-race"
RACE_PROGRAMS = ("h200-races", "h200-waits")


@cache
def resnet() -> Timeline:
    """Ten passes of ResNet-50 on an H100, re-initialised after five; bare files."""
    return load_files(ort=[RESNET / "ort_a.json.gz", RESNET / "ort_b.json.gz"], torch=[RESNET / "kineto.json.gz"])


@cache
def racy() -> Timeline:
    """No wait between torch's copy and ORT's run; bare files."""
    return load_files(ort=[RACE / "racy_ort.json.gz"], torch=[RACE / "racy_kineto.json.gz"])


@cache
def healthy() -> Timeline:
    """The same loop with `wait_stream` before and after each run; bare files."""
    return load_files(ort=[RACE / "healthy_ort.json.gz"], torch=[RACE / "healthy_kineto.json.gz"])


@cache
def service() -> Timeline:
    """A web service with a thread pool and two sessions under load; a bundle."""
    return load_bundle(DATA / "h100-service.ortprobe")


@cache
def example(name: str) -> Analyses:
    """A packaged example, traced on an H100: `missing-wait`, `set-providers` or `healthy`; a bundle."""
    return Analyses(load_bundle(DATA / "h100-examples" / f"{name}.ortprobe"))


@cache
def recorded(name: str) -> Timeline:
    """`graph` (replays of a CUDA graph) or `flow` (If, Loop and a node on the CPU): bundles of a whole program."""
    return load_bundle(DATA / f"h100-{name}.ortprobe")


@cache
def workload(name: str) -> Timeline:
    """`encoder-cpu-nodes`, `resnet50-pageable` or `tiny-threads`: programs with one known cost each; bundles."""
    return load_bundle(DATA / "h100-workloads" / f"{name}.ortprobe")


@cache
def node_program(name: str) -> Timeline:
    """One of `tests/benchmarks/faulty_programs_nodes.py`, traced on an H200; a bundle."""
    return load_bundle(DATA / "h200-nodes" / f"{name}.zip")


def race_recording(name: str) -> Path:
    """The packed capture of one of `tests/benchmarks/race_programs.py`."""
    return next(DATA / folder / f"{name}.zip" for folder in RACE_PROGRAMS if (DATA / folder / f"{name}.zip").exists())


@cache
def race_program(name: str) -> Timeline:
    """One of `tests/benchmarks/race_programs.py`: racy, ordered, or with a needless wait; a bundle."""
    return load_bundle(race_recording(name))


WATCHED = ("resnet", "set-providers", "graph", "flow", "service")
"""Captures with ORT's profile and torch's trace of the same runs, for `watched`."""


def watched(name: str) -> Timeline:
    """One of `WATCHED`."""
    if name in ("resnet", "service"):
        return resnet() if name == "resnet" else service()
    return example(name).timeline if name == "set-providers" else recorded(name)
