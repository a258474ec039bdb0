"""Reading trace files from strangers: compressed or not, cut off, or made to fill the memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from ortprobe.errors import UnreadableInput

MAX_SIZE_BYTES = 4 << 30
"""Traces above this, decompressed, are refused: about 15 million events."""
LIMIT_NS = 1 << 61
"""Times beyond this, the year 2043, are damage; below it sums and differences of times stay within int64."""

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A trace wherever it is stored: its name for messages, and a stream of its stored bytes from the beginning."""

    name: str
    open: Callable[[], BinaryIO]

    def __str__(self) -> str:
        return self.name


def read_trace(path: Path | TraceFile) -> bytes:
    """The content of a `.json` or `.json.gz` file, recognised by content and not by name.

    Raises:
        UnreadableInput: not there, not readable, cut off within its compression, or larger than `MAX_SIZE_BYTES`.
    """
    try:
        with path.open("rb") if isinstance(path, Path) else path.open() as file:
            head = file.read(2)
            chunks = chain([head], iter(lambda: file.read(_CHUNK_BYTES), b""))
            return _gunzip(path, chunks) if head == _GZIP_MAGIC else _bounded(path, chunks)
    except OSError as error:
        raise UnreadableInput(f"{path}: can't be read ({error.strerror})") from error


def _bounded(path: Path | TraceFile, chunks: Iterator[bytes]) -> bytes:
    parts: list[bytes] = []
    size_bytes = 0
    for chunk in chunks:
        parts.append(chunk)
        size_bytes += len(chunk)
        if size_bytes > MAX_SIZE_BYTES:
            raise UnreadableInput(_too_large(path))
    return b"".join(parts)


def _gunzip(path: Path | TraceFile, chunks: Iterator[bytes]) -> bytes:
    parts: list[bytes] = []
    size_bytes = 0
    stream = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        pending = chunk
        while pending:
            try:
                part = stream.decompress(pending, MAX_SIZE_BYTES + 1 - size_bytes)
            except zlib.error as error:
                raise UnreadableInput(f"{path}: is damaged gzip ({error}); copy or export it again") from error
            parts.append(part)
            size_bytes += len(part)
            if size_bytes > MAX_SIZE_BYTES:
                raise UnreadableInput(_too_large(path))
            if stream.eof and stream.unused_data:
                pending, stream = stream.unused_data, zlib.decompressobj(wbits=31)
            else:
                pending = stream.unconsumed_tail
    if not stream.eof:
        raise UnreadableInput(f"{path}: is cut off (its gzip stream has no end); copy or export it again")
    return b"".join(parts)


def _too_large(path: Path | TraceFile) -> str:
    return f"{path}: holds more than {MAX_SIZE_BYTES >> 30} GiB of JSON; trace a shorter stretch"
