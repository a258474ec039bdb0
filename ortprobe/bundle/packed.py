"""A packed bundle: a ZIP file whose members are read where they lie, and never extracted.

A ZIP from a stranger may lie about everything: https://en.wikipedia.org/wiki/Zip_bomb, and for members that share their
bytes David Fifield, "A better zip bomb", USENIX WOOT 2019. What no packed capture has is refused for the whole file,
when it is opened; the length that a member states is the most that reading it gives.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from ortprobe.bundle.files import BundleFiles, in_order, leads_out
from ortprobe.bundle.manifest import CHILDREN, MANIFEST_NAME
from ortprobe.errors import UnreadableInput

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_DIRECTORY_BYTES = 8 << 20
"""A larger list of members is refused: it would name 100,000 files and take 100 MB of memory."""

_LOCAL_HEADER_BYTES = 30
_PIECE_BYTES = 1 << 18
_SHOWN_CHARACTERS = 80
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, RuntimeError)
"""What `zipfile` raises at damage (CPython 3.11 to 3.14); RuntimeError is its word for what it does not implement."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle in a ZIP file, or one of the child bundles in it. The file stays open for as long as this object lives.

    Made by `open_packed`.
    """

    path: Path
    _archive: zipfile.ZipFile
    _members: Mapping[str, zipfile.ZipInfo]

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._members))

    def has(self, name: str) -> bool:
        return name in self._members

    def size_bytes(self, name: str) -> int:
        return self._member(name).file_size

    def open(self, name: str) -> BinaryIO:
        member = self._member(name)
        try:
            return io.BufferedReader(_Content(self._archive.open(member), f"{self.path}: {name}"), _PIECE_BYTES)
        except (*_DAMAGE, OSError) as error:
            raise UnreadableInput(_damaged(f"{self.path}: {name}", error)) from error

    def children(self) -> Mapping[str, BundleFiles]:
        manifests = (name.split("/") for name in self._members if name.startswith(f"{CHILDREN}/"))
        names = [f"{CHILDREN}/{parts[1]}" for parts in manifests if len(parts) == 3 and parts[2] == MANIFEST_NAME]
        return {name: self.below(name) for name in in_order(names)}

    def below(self, folder: str) -> Packed:
        """The files in one folder of this bundle, as a bundle of its own."""
        start = f"{folder}/"
        members = {name.removeprefix(start): member for name, member in self._members.items() if name.startswith(start)}
        return Packed(self.path / folder, self._archive, members)

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise UnreadableInput(f"{self.path}: has no file {name!r}")
        return self._members[name]


def open_packed(path: Path) -> Packed:
    """Open a packed bundle, after a look at its list of members.

    Raises:
        UnreadableInput: it can't be read, is no ZIP file, is cut off, or has something that no packed capture has:
            encryption, two members of one name or in the same place, or a name that leads out of the bundle.
    """
    try:
        source = _Source(path)
    except OSError as error:
        raise UnreadableInput(f"{path}: can't be read ({error.strerror})") from error
    begins_as_zip = source.read(2) == b"PK"
    try:
        archive = zipfile.ZipFile(source)
    except (*_DAMAGE, OSError) as error:
        if not begins_as_zip:
            raise UnreadableInput(
                f"{path}: is no bundle (no ZIP file); give an ORT profile with --ort, a torch trace with --torch"
            ) from error
        raise UnreadableInput(f"{path}: is damaged or cut off ({error}); pack or send it again") from error
    members = archive.infolist()
    fault = _fault(members, archive.start_dir)
    if fault:
        raise UnreadableInput(f"{path}: {fault}; ortprobe pack writes no such file")
    return Packed(path, archive, {member.filename: member for member in members if not member.is_dir()})


def _fault(members: Iterable[zipfile.ZipInfo], end: int) -> str:
    """What is wrong with a list of members that lie before `end`; nothing is read of the members themselves."""
    seen: set[str] = set()
    for member in members:
        name = repr(member.orig_filename[:_SHOWN_CHARACTERS])
        if leads_out(member.orig_filename):
            return f"has a member {name}, whose name leads out of the bundle"
        if member.filename in seen:
            return f"has two members {name}"
        if member.flag_bits & _ENCRYPTED:
            return f"is encrypted (its member {name})"
        if member.compress_type not in _METHODS:
            return f"has a member {name} that is compressed by method {member.compress_type}"
        seen.add(member.filename)
    places = sorted((member.header_offset, _end(member)) for member in members)
    if any(one_end > other_start for (_, one_end), (other_start, _) in pairwise([(0, 0), *places, (end, end)])):
        return "has members that share their bytes"
    return ""


def _end(member: zipfile.ZipInfo) -> int:
    return member.header_offset + _LOCAL_HEADER_BYTES + len(member.orig_filename) + member.compress_size


def _damaged(what: str, error: Exception) -> str:
    return f"{what}: is damaged ({error}); pack or send it again"


class _Source(io.FileIO):
    """The ZIP file itself. `zipfile` reads a whole list of members at once, and a forged one is as long as the file."""

    def read(self, size: int | None = -1, /) -> bytes:
        limited = MAX_DIRECTORY_BYTES if size is None or size < 0 else min(size, MAX_DIRECTORY_BYTES)
        return super().read(limited) or b""

    def __del__(self) -> None:
        self.close()


class _Content(io.RawIOBase):
    """A member's content, piece by piece, with damage told in our own words."""

    def __init__(self, content: IO[bytes], what: str) -> None:
        self._content = content
        self._what = what

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            piece = self._content.read(min(len(view), _PIECE_BYTES))
        except (*_DAMAGE, OSError) as error:
            raise UnreadableInput(_damaged(self._what, error)) from error
        view[: len(piece)] = piece
        return len(piece)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return self._content.seek(offset, whence)
        except (*_DAMAGE, OSError) as error:
            raise UnreadableInput(_damaged(self._what, error)) from error

    def close(self) -> None:
        if not self.closed:
            self._content.close()
        super().close()
