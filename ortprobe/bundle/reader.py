"""Reading a bundle back, whole or as far as a killed program got, from its folder or packed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from ortprobe.bundle.files import BundleFiles, Folder
from ortprobe.bundle.manifest import FORMAT_VERSION, HOOK_LOG_NAME, MANIFEST_NAME, Manifest
from ortprobe.bundle.packed import open_packed
from ortprobe.bundle.records import AnyRecord
from ortprobe.errors import UnreadableInput

MAX_MANIFEST_BYTES = 16 << 20
"""A manifest is about 2 KB, and 300 bytes for each model."""
MAX_HOOK_LOG_BYTES = 256 << 20
"""The busiest program measured writes 11 MB an hour, so that it takes a day to write so much. All records are held in
memory, at five to ten times their size in the log."""
_NO_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises at text that is not JSON, not UTF-8, or nested too deep."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's files, its manifest, and the records of its hook log in the order they were written.

    `unreadable_lines` counts lines of the hook log that hold no record: the last one of a killed program, for example.
    """

    files: BundleFiles
    manifest: Manifest
    records: tuple[AnyRecord, ...]
    unreadable_lines: int


def files_at(path: Path) -> BundleFiles:
    """The files of a bundle: of the folder `path`, of the packed file `path`, or of a child in it (`x.zip/children/4`).

    Raises:
        UnreadableInput: a packed file can't be read, or is refused.
    """
    try:
        file = next((one for one in (path, *path.parents) if one.is_file()), None)
    except OSError:  # too long for a name
        return Folder(path)
    if file is None or path.is_dir():
        return Folder(path)
    packed = open_packed(file)
    return packed if path == file else packed.below(path.relative_to(file).as_posix())


def read_bundle(path: Path) -> Bundle:
    """Read the manifest and the hook log of a bundle that is a folder or packed. Traces are left for `ortprobe.ingest`.

    Raises:
        UnreadableInput: there is no bundle, or one of a format that this version does not know.
    """
    return read_files(files_at(path))


def read_files(files: BundleFiles) -> Bundle:
    """Read the manifest and the hook log of a bundle, such as a child's; raises as `read_bundle` does."""
    manifest = read_manifest(files)
    records, unreadable = _read_hook_log(files)
    return Bundle(files, manifest, records, unreadable)


def read_manifest(files: BundleFiles) -> Manifest:
    """Read the manifest alone; raises as `read_bundle` does."""
    if not files.has(MANIFEST_NAME):
        raise UnreadableInput(f"{files.path}: is no ortprobe bundle (no readable {MANIFEST_NAME} in it)")
    path = files.path / MANIFEST_NAME
    _refuse_beyond(MAX_MANIFEST_BYTES, files, MANIFEST_NAME)
    with files.open(MANIFEST_NAME) as stream:
        raw = stream.read(MAX_MANIFEST_BYTES)
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except _NO_JSON as error:
        raise UnreadableInput(f"{path}: is not a manifest ({error}); trace the program again") from error
    if manifest.format_version != FORMAT_VERSION:
        raise UnreadableInput(
            f"{path}: has format {manifest.format_version}, this ortprobe reads {FORMAT_VERSION}; "
            "use the version that wrote it"
        )
    return manifest


def stored_trace(files: BundleFiles, name: str) -> str | None:
    """The file of a window or a profile, as it was written or, as a complete capture leaves large ones, compressed."""
    return next((stored for stored in (name, f"{name}.gz") if files.has(stored)), None)


def _read_hook_log(files: BundleFiles) -> tuple[tuple[AnyRecord, ...], int]:
    if not files.has(HOOK_LOG_NAME):
        return (), 0
    _refuse_beyond(MAX_HOOK_LOG_BYTES, files, HOOK_LOG_NAME)
    decoder = msgspec.json.Decoder(AnyRecord)
    records: list[AnyRecord] = []
    unreadable = 0
    with files.open(HOOK_LOG_NAME) as lines:
        for line in lines:
            if not line.endswith(b"\n") and not line.strip(b"\0"):
                continue  # a killed program's log ends in the zeros that were to be written over
            try:
                records.append(decoder.decode(line.rstrip(b"\0")))
            except _NO_JSON:
                unreadable += 1
    return tuple(records), unreadable


def _refuse_beyond(limit_bytes: int, files: BundleFiles, name: str) -> None:
    if files.size_bytes(name) > limit_bytes:
        raise UnreadableInput(
            f"{files.path / name}: is larger than {limit_bytes >> 20} MiB, which is more than ortprobe reads; "
            "trace a shorter stretch"
        )
