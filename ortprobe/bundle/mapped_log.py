"""A file of lines that is written through memory: what was appended is in the file, however the process ends."""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
from pathlib import Path
from typing import NamedTuple

_CHUNK_BYTES = 1 << 20
_MAP_FAILED = ctypes.c_void_p(-1).value


class MappedLog:
    """Lines appended to a file that is mapped into memory, a chunk at a time.

    The pages belong to the kernel, so a line is safe from SIGKILL, `os._exit` and a segfault as soon as `append`
    returns, without a system call for each. The file is longer than its lines until `close`: zero bytes follow them.
    No descriptor stays open. A program that closes all of them, as daemons do, closes none of ours, and none of its
    own is ever taken for ours.

    Raises:
        OSError: the file can't be made, or the disk has no room for the next chunk (which is reserved beforehand:
            writing to a mapped page that the disk has no block for would kill the process).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()  # re-entered when a signal handler or a finalizer appends
        self._chunk = _Chunk(0, 0, memoryview(b""), 0)
        self._former = self._chunk
        """Stays mapped until the next one is full: an append that this one interrupted may still be writing to it."""
        self._used = 0
        self._is_growing = False
        self._late: list[bytes] = []
        self._closed = False
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        self._grow(0)

    def append(self, line: bytes) -> None:
        """Add a line, which must end with its line break. Does nothing once the log is closed."""
        with self._lock:
            if self._closed:
                return
            chunk, begin = self._chunk, self._used
            end = begin + len(line)
            if end <= chunk.end:
                self._used = end  # before the bytes: an append that interrupts this one then goes behind it
                chunk.view[begin - chunk.begin : end - chunk.begin] = line
            elif self._is_growing:
                self._late.append(line)
            else:
                self._grow(len(line))
                late, self._late = self._late, []
                for waiting in (line, *late):
                    self.append(waiting)

    def close(self) -> None:
        """Cut the file behind its last line."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._unmap()
            os.truncate(self._path, self._used)

    def forget(self) -> None:
        """Let go of the file without touching it, as a forked child must."""
        self._closed = True
        self._lock = threading.RLock()
        self._unmap()

    def _grow(self, line_bytes: int) -> None:
        """Map the chunk that the next line goes into. A page that holds the end of the last line is mapped again."""
        self._is_growing = True
        try:
            begin = self._used - self._used % mmap.ALLOCATIONGRANULARITY
            size = max(_CHUNK_BYTES, self._used - begin + line_bytes)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            try:
                _reserve(descriptor, begin, size)
                address = _map(descriptor, begin, size)
            finally:
                os.close(descriptor)
            view = memoryview((ctypes.c_char * size).from_address(address)).cast("B")
            former, self._former, self._chunk = self._former, self._chunk, _Chunk(begin, begin + size, view, address)
            former.unmap()
        finally:
            self._is_growing = False

    def _unmap(self) -> None:
        chunk, former = self._chunk, self._former
        self._chunk = self._former = _Chunk(0, 0, memoryview(b""), 0)
        chunk.unmap()
        if former is not chunk:
            former.unmap()


class _Chunk(NamedTuple):
    """A part of the file that is mapped: from `begin` to `end` of the file, at `address`."""

    begin: int
    end: int
    view: memoryview
    address: int

    def unmap(self) -> None:
        if self.address:
            _libc().munmap(ctypes.c_void_p(self.address), ctypes.c_size_t(self.end - self.begin))


def _reserve(descriptor: int, begin: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, begin, size)
    else:
        os.ftruncate(descriptor, begin + size)


def _map(descriptor: int, begin: int, size: int) -> int:
    """Python's `mmap.mmap` would keep a copy of the descriptor for as long as the mapping lives."""
    libc = _libc()
    libc.mmap.restype = ctypes.c_void_p
    address: int | None = libc.mmap(
        None,
        ctypes.c_size_t(size),
        mmap.PROT_READ | mmap.PROT_WRITE,
        mmap.MAP_SHARED,
        descriptor,
        ctypes.c_longlong(begin),
    )
    if address is None or address == _MAP_FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return address


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
