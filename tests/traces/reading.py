"""Reading a capture back and holding its links against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from traces.found import Found
from traces.origin import Origin
from traces.strategies import Capture
from traces.truth import Link, Truth
from traces.written import Written, capture_bundle, capture_files

from ortprobe.timeline import Timeline

Links = Mapping[Origin, object]
WAYS = ("bundle", "stated", "fitted")
"""As a bundle; as bare files with the start of ORT's profiling stated; without, so that it has to be found."""


def read(capture: Capture, way: str) -> tuple[Timeline, Written]:
    """Write a capture, read it, and forget the files."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        if way == "bundle":
            written, load = capture_bundle(capture.history, capture.recording, folder)
        else:
            written, load = capture_files(capture.history, capture.recording, folder, states_start=way == "stated")
        return load(), written


def wrong_links(found: Found, truth: Truth) -> dict[str, dict[Origin, tuple[object, object]]]:
    """For each kind of link, the rows whose link is another one than the true one: (found, true)."""
    return _by_kind(found, truth, _wrong)


def missing_links(found: Found, truth: Truth) -> dict[str, dict[Origin, object]]:
    """For each kind of link, the rows that have none though the files show it: the true one."""
    return _by_kind(found, truth, _missing)


def _by_kind(found: Found, truth: Truth, compare) -> dict:
    kinds = {
        "launch": compare(found.launches, truth.launches),
        "run": compare(found.runs, truth.runs),
        "node": compare(found.nodes, truth.nodes),
        "node_span": compare(found.executions, truth.executions),
    }
    return {kind: rows for kind, rows in kinds.items() if rows}


def _wrong(found: Links, truth: Mapping[Origin, Link]) -> dict[Origin, tuple[object, object]]:
    return {row: (link, truth[row].to) for row, link in found.items() if row in truth and link != truth[row].to}


def _missing(found: Links, truth: Mapping[Origin, Link]) -> dict[Origin, object]:
    return {
        row: link.to for row, link in truth.items() if link.is_knowable and link.to is not None and row not in found
    }
