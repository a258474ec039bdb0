"""Reading a bundle back, whole or as far as a killed program got."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from ortprobe.bundle.manifest import CHILDREN, FORMAT_VERSION, HOOK_LOG_NAME, MANIFEST_NAME, Manifest
from ortprobe.bundle.records import AnyRecord
from ortprobe.errors import UnreadableInput


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's folder, its manifest, and the records of its hook log in the order they were written.

    `unreadable_lines` counts lines of the hook log that hold no record: the last one of a killed program, for example.
    """

    folder: Path
    manifest: Manifest
    records: tuple[AnyRecord, ...]
    unreadable_lines: int


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's manifest and hook log. Traces are left for `ortprobe.ingest`.

    Raises:
        UnreadableInput: the folder is no bundle, or of a format this version does not know.
    """
    path = folder / MANIFEST_NAME
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UnreadableInput(f"{folder}: is no ortprobe bundle (no readable {MANIFEST_NAME} in it)") from error
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise UnreadableInput(f"{path}: is not a manifest ({error}); trace the program again") from error
    if manifest.format_version != FORMAT_VERSION:
        raise UnreadableInput(
            f"{path}: has format {manifest.format_version}, this ortprobe reads {FORMAT_VERSION}; "
            "use the version that wrote it"
        )
    records, unreadable = _read_hook_log(folder / HOOK_LOG_NAME)
    return Bundle(folder, manifest, records, unreadable)


def children_of(folder: Path) -> tuple[Path, ...]:
    """The bundles of child processes that lie inside of a bundle, those that were written to last behind the others."""
    try:
        found = [child for child in (folder / CHILDREN).iterdir() if (child / MANIFEST_NAME).is_file()]
        return tuple(sorted(found, key=lambda child: (child / HOOK_LOG_NAME).stat().st_mtime_ns))
    except OSError:
        return ()


def inside(folder: Path, name: str) -> Path | None:
    """The path of a bundle's own file, or None when `name` leads out of the bundle: names in a bundle are data."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):  # too long for a name, or a zero byte in it
        return None


def stored_trace(folder: Path, name: str) -> Path | None:
    """The file of a window or a profile, as it was written or, as a complete capture leaves large ones, compressed."""
    return inside(folder, name) or inside(folder, f"{name}.gz")


def _read_hook_log(path: Path) -> tuple[tuple[AnyRecord, ...], int]:
    try:
        content = path.read_bytes()
    except OSError:
        return (), 0
    lines = content.rstrip(b"\0").splitlines()  # a killed program's log ends in the zeros that were to be written over
    decoder = msgspec.json.Decoder(AnyRecord)
    records: list[AnyRecord] = []
    unreadable = 0
    for line in lines:
        try:
            records.append(decoder.decode(line))
        except msgspec.MsgspecError:
            unreadable += 1
    return tuple(records), unreadable
