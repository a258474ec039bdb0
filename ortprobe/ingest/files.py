"""Reading trace files from strangers: compressed or not, cut off, or made to fill the memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from ortprobe.errors import UnreadableInput

MAX_SIZE_BYTES = 4 << 30
"""Traces above this, decompressed, are refused: about 15 million events."""
LIMIT_NS = 1 << 61
"""Times beyond this, the year 2043, are damage; below it sums and differences of times stay within int64."""

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 22


def read_trace(path: Path) -> bytes:
    """The content of a `.json` or `.json.gz` file, recognised by content and not by name.

    Raises:
        UnreadableInput: not there, not readable, cut off within its compression, or larger than `MAX_SIZE_BYTES`.
    """
    try:
        with path.open("rb") as file:
            head = file.read(2)
            if head != _GZIP_MAGIC:
                if path.stat().st_size > MAX_SIZE_BYTES:
                    raise UnreadableInput(_too_large(path))
                return head + file.read()
            file.seek(0)
            return _gunzip(path, iter(lambda: file.read(_CHUNK_BYTES), b""))
    except OSError as error:
        raise UnreadableInput(f"{path}: can't be read ({error.strerror})") from error


def _gunzip(path: Path, chunks: Iterator[bytes]) -> bytes:
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


def _too_large(path: Path) -> str:
    return f"{path}: holds more than {MAX_SIZE_BYTES >> 30} GiB of JSON; trace a shorter stretch"
