"""Trace files from strangers as streams of bytes: compressed or not, cut off, or made to fill the memory."""

from __future__ import annotations

import errno
import gzip
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from ortprobe.errors import UnreadableInput
from ortprobe.names import encodable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_SIZE_BYTES = 16 << 30
"""Traces above this, decompressed, are refused: about 60 million events."""
MAX_RATIO = 250
"""What decompresses to more than this many times its size is no trace: those reach 12 to 60, and zlib's most is 1,032.
Below a size that hurts nobody, anything goes."""
LIMIT_NS = 1 << 61
"""Times beyond this, the year 2043, are damage; below it sums and differences of times stay within int64."""

_GZIP_MAGIC, _ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BLOCK_BYTES = 1 << 20
_RATIO_FROM_BYTES = 64 << 20
_ZSTD_OPTIONS = {int(zstd.DecompressionParameter.window_log_max): 27}


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A file to read, wherever it lies: in a folder or inside of a packed bundle."""

    name: str
    """For messages, and as the path of its source."""
    open: Callable[[], BinaryIO]
    """A fresh stream of the file's bytes, for its reader to close. Raises OSError."""

    @classmethod
    def at(cls, path: Path) -> TraceFile:
        """A file of the file system."""
        return cls(encodable(str(path)), partial(_opened, path))


def _opened(path: Path) -> BinaryIO:
    """Opening a pipe would wait for whoever writes to it."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error)) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "no regular file")
    return path.open("rb")


class BrokenStream(Exception):
    """A compressed stream that ends or breaks in the middle; what came before is good. The text says what is wrong."""


def read_blocks(file: TraceFile) -> Iterator[bytes]:
    """The decompressed content in blocks of up to 1 MiB; gzip and zstd are recognised by content, not by name.

    Raises:
        UnreadableInput: not there, not readable, or decompressing to more than `MAX_SIZE_BYTES` or `MAX_RATIO`.
        BrokenStream: cut off or damaged within its compression, after all blocks before that.
    """
    try:
        with file.open() as raw, _decompressed(raw) as stream:
            size_bytes = 0
            while block := _next_block(stream):
                size_bytes += len(block)
                _check_size(file, size_bytes, raw.tell())
                yield block
    except OSError as error:
        raise UnreadableInput(f"{file.name}: can't be read ({error.strerror or error})") from error


def _decompressed(raw: BinaryIO) -> BinaryIO:
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if magic == _ZSTD_MAGIC:
        return cast(BinaryIO, zstd.ZstdFile(raw, options=_ZSTD_OPTIONS))
    return raw


def _next_block(stream: BinaryIO) -> bytes:
    """`read1` where there is one: `read` would lose what it had decompressed before it met the damage."""
    read = getattr(stream, "read1", stream.read)
    try:
        return cast(bytes, read(_BLOCK_BYTES))
    except EOFError as error:
        raise BrokenStream("its compressed stream has no end") from error
    except (zlib.error, gzip.BadGzipFile, zstd.ZstdError) as error:
        raise BrokenStream(f"its compression is damaged: {error}") from error


def _check_size(file: TraceFile, size_bytes: int, raw_bytes: int) -> None:
    if size_bytes > MAX_SIZE_BYTES:
        raise UnreadableInput(f"{file.name}: holds more than {MAX_SIZE_BYTES >> 30} GiB; trace a shorter stretch")
    if size_bytes > _RATIO_FROM_BYTES and size_bytes > MAX_RATIO * raw_bytes:
        raise UnreadableInput(f"{file.name}: decompresses to over {MAX_RATIO} times its size, as no trace does")
