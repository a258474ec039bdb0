"""The files of a bundle without names, made one at a time as they are read."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from ortprobe.bundle.anonymous.pseudonyms import Pseudonyms
from ortprobe.bundle.anonymous.records import anonymous_confirmation, anonymous_manifest, anonymous_record
from ortprobe.bundle.anonymous.traces import anonymous_trace
from ortprobe.bundle.confirmations import CONFIRMATIONS_NAME, encode_confirmations, read_confirmations
from ortprobe.bundle.files import BundleFiles
from ortprobe.bundle.manifest import CHILDREN, HOOK_LOG_NAME, MANIFEST_NAME
from ortprobe.bundle.reader import read_files, read_manifest
from ortprobe.errors import UnreadableInput

MAX_TRACE_BYTES = 2 << 30
"""A trace that is larger when decompressed is left out: all of it is held in memory."""
_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 1 << 20
_TRACES = (".json", ".json.gz", ".json.zst")
_UNREADABLE_LINE = b"null\n"
_DAMAGE = (ValueError, RecursionError, EOFError, OSError, zlib.error)


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A bundle with pseudonyms in place of names. Traces are decompressed, and called accordingly.

    Reading a file that can't be decoded raises UnreadableInput: what is not understood can't be made anonymous.
    """

    files: BundleFiles
    _known: Pseudonyms
    _places: Mapping[str, tuple[BundleFiles, str]]
    """Name → where the original is, and its name there."""
    _made: dict[str, bytes] = field(default_factory=dict)
    """The file that was asked for last: its size is asked for first, and then its content."""

    @property
    def path(self) -> Path:
        return self.files.path

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._places))

    def has(self, name: str) -> bool:
        return name in self._places

    def size_bytes(self, name: str) -> int:
        return len(self._content(name))

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self._content(name))

    def children(self) -> Mapping[str, BundleFiles]:
        return {name: anonymous(files, self._known) for name, files in self.files.children().items()}

    def _content(self, name: str) -> bytes:
        if name not in self._places:
            raise UnreadableInput(f"{self.path}: has no file {name!r}")
        if name not in self._made:
            self._made.clear()
            self._made[name] = _made_anonymous(*self._places[name], self._known)
        return self._made[name]


def anonymous(files: BundleFiles, known: Pseudonyms | None = None) -> Anonymous:
    """A bundle without names, its children with it. Figures, times and addresses stay what they are.

    Model and user names in paths, arguments, lines of code (`file_1.py:12`), nodes, inputs and outputs, annotations,
    threads and free text go; versions, devices, process ids, shapes, op types and kernels' names stay.
    """
    known = known or Pseudonyms()
    places: dict[str, tuple[BundleFiles, str]] = {}
    for folder, bundle in {"": files, **files.children()}.items():
        start = f"{CHILDREN}/{known.process(folder.removeprefix(f'{CHILDREN}/'))}/" if folder else ""
        for name in sorted(bundle.names(), key=len, reverse=True):  # of a trace that is there twice the plain one
            if name in (MANIFEST_NAME, HOOK_LOG_NAME, CONFIRMATIONS_NAME):
                places[start + name] = bundle, name
            elif "/" not in name and name.endswith(_TRACES):
                places[start + known.trace(name)] = bundle, name
    return Anonymous(files, known, places)


def _made_anonymous(files: BundleFiles, name: str, known: Pseudonyms) -> bytes:
    if name == MANIFEST_NAME:
        return msgspec.json.encode(anonymous_manifest(read_manifest(files), known))
    if name == HOOK_LOG_NAME:
        bundle = read_files(files)
        encoder = msgspec.json.Encoder()
        lines = [encoder.encode(anonymous_record(record, known)) + b"\n" for record in bundle.records]
        return b"".join(lines) + _UNREADABLE_LINE * bundle.unreadable_lines
    if name == CONFIRMATIONS_NAME:
        confirmations, wrong = read_confirmations(files)
        if wrong:
            raise UnreadableInput(wrong)
        return encode_confirmations([anonymous_confirmation(one, known) for one in confirmations])
    try:
        return anonymous_trace(_decompressed(files, name), known)
    except _DAMAGE as error:
        raise UnreadableInput(f"{files.path / name}: can't be made anonymous ({error})") from error


def _decompressed(files: BundleFiles, name: str) -> bytes:
    with files.open(name) as stored:
        is_compressed = stored.read(len(_GZIP)) == _GZIP
    with files.open(name) as stored, gzip.GzipFile(fileobj=stored) if is_compressed else nullcontext(stored) as plain:
        pieces = []
        left_bytes = MAX_TRACE_BYTES
        while piece := plain.read(min(_PIECE_BYTES, left_bytes)):
            pieces.append(piece)
            left_bytes -= len(piece)
    if not left_bytes:
        raise ValueError("is too large")
    return b"".join(pieces)
