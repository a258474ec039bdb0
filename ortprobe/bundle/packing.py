"""Packing a bundle: one ZIP file to send, with the same bytes whenever the same bundle is packed."""

from __future__ import annotations

import stat
import zipfile
from dataclasses import dataclass
from typing import BinaryIO

from ortprobe.bundle.files import BundleFiles, leads_out
from ortprobe.bundle.manifest import CHILDREN, HOOK_LOG_NAME, MANIFEST_NAME
from ortprobe.errors import UnreadableInput

_ENDINGS = (".json", ".jsonl", ".json.gz", ".json.zst")
"""What the names of a capture's files end in. Whatever else lies in the folder was put there by somebody else."""
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""What gzip (RFC 1952) and Zstandard (RFC 8878) begin with."""
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Packing:
    """What went into a packed bundle: how many files of how many bytes, and the names of those that did not."""

    files: int
    size_bytes: int
    left_out: tuple[str, ...]


def pack(files: BundleFiles, target: BinaryIO) -> Packing:
    """Write a bundle, with the bundles of its children, to `target`, an empty file that can seek.

    A bundle that is still being written is packed as it is at the moment: of a file that grows, the part that is there
    when its turn comes, and of one that is compressed meanwhile, its compressed form.

    Raises:
        UnreadableInput: a file of the bundle is damaged.
        OSError: `target` can't be written.
    """
    sizes: dict[str, int] = {}
    with zipfile.ZipFile(target, "w") as archive:
        for _ in range(2):  # the second time for what took the place of a file that had gone when its turn came
            for name in _in_order(files):
                size_bytes = _add(archive, files, name) if _belongs(name) and name not in sizes else None
                if size_bytes is not None:
                    sizes[name] = size_bytes
    left_out = tuple(name for name in files.names() if name not in sizes)
    return Packing(len(sizes), sum(sizes.values()), left_out)


def _in_order(files: BundleFiles) -> list[str]:
    """The manifest and the hook log first, as they are read."""
    return sorted(files.names(), key=lambda name: (name != MANIFEST_NAME, name != HOOK_LOG_NAME, name))


def _belongs(name: str) -> bool:
    parts = name.split("/")
    in_place = len(parts) == 1 or (len(parts) == 3 and parts[0] == CHILDREN)
    return in_place and name.endswith(_ENDINGS) and name.isprintable() and not leads_out(name)


def _add(archive: zipfile.ZipFile, files: BundleFiles, name: str) -> int | None:
    """Add a file as long as it is now; returns that in bytes, None when it has gone or can't be read."""
    try:
        size_bytes = files.size_bytes(name)
        source = files.open(name)
    except UnreadableInput:
        return None
    with source:
        piece = source.read(min(_PIECE_BYTES, size_bytes))
        left_bytes = size_bytes
        with archive.open(_member(name, size_bytes, piece), "w") as target:
            while piece:
                target.write(piece)
                left_bytes -= len(piece)
                piece = source.read(min(_PIECE_BYTES, left_bytes))
    return size_bytes - left_bytes


def _member(name: str, size_bytes: int, head: bytes) -> zipfile.ZipInfo:
    """With nothing in it that differs from one machine or day to another."""
    member = zipfile.ZipInfo(name, _EARLIEST)
    member.create_system = _UNIX
    member.external_attr = (stat.S_IFREG | 0o644) << 16
    member.compress_type = zipfile.ZIP_STORED if head.startswith(_COMPRESSED) else zipfile.ZIP_DEFLATED
    member.file_size = size_bytes  # beyond 2 GiB the member's header must have room for it
    return member
