"""Bundles: a manifest, a hook log of given records, and what the traces in it are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from ortprobe.bundle import (
    Anchor,
    AnyRecord,
    BundleWriter,
    ClockAnchor,
    Ending,
    Environment,
    Manifest,
    Settings,
    Target,
)


def start_bundle(folder: Path, name: str, process: int, epoch_ns: int) -> BundleWriter:
    """An empty bundle of a script that ended well."""
    anchor = ClockAnchor(realtime_ns=epoch_ns, monotonic_ns=0, perf_counter_ns=0, bracket_ns=100)
    manifest = Manifest(
        ortprobe="0",
        target=Target(kind="script", name=name),
        process=process,
        clock=anchor,
        settings=Settings(),
        environment=Environment(python="3.11", platform="Linux", cpu_count=2, physical_cores=2, usable_cpus=2),
        ending=Ending(clock=anchor, exit_code=0),
    )
    return BundleWriter(folder, manifest)


def write_bundle(writer: BundleWriter, records: Sequence[AnyRecord], end: Anchor | None = None) -> None:
    """Complete a bundle with these records; at its end the clocks say what they did at its start, or at `end`."""
    for record in records:
        writer.append(record)
    manifest = writer.manifest
    if end is not None:
        clock = ClockAnchor(
            realtime_ns=end.realtime_ns, monotonic_ns=end.monotonic_ns, perf_counter_ns=0, bracket_ns=end.bracket_ns
        )
        manifest = replace(manifest, ending=Ending(clock=clock, exit_code=0))
    writer.close(manifest)
