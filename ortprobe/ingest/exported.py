"""The Timeline that traces for viewers carry if ortprobe wrote them, read out of them again.

In a Perfetto trace the first packets hold it, in a field of their own, in Chrome's JSON `otherData` does, as base64:
either way a Zstandard frame around what `ortprobe.stored` makes of a Timeline.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.sources.files import BrokenStream, TraceFile, read_blocks
from ortprobe.stored import decode_timeline
from ortprobe.timeline import Timeline

TIMELINE_FIELD = 60_000
"""Number of a field of `TracePacket`, and so of one that Perfetto skips: its own go to 1999. Protocol Buffers leaves
50000 to 99999 to whoever wants a field of his own (`descriptor.proto`); Perfetto's reader holds numbers in 16 bits."""
TIMELINE_KEY = "ortprobe_timeline"

_PACKET_TAG = 0x0A
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_VARINT_BYTES = 10
_MOST_PACKET_BYTES = 16 << 20
"""A longer packet is none of ours: those are of 1 MiB."""
_HEAD_BYTES = 1 << 20
"""In so much of Chrome's JSON the key stands."""
_MOST_TEXT_BYTES = 1 << 30
_KEY = re.compile(rb'"%s"\s*:\s*"' % TIMELINE_KEY.encode())
_OTHER_CHROME = re.compile(rb'"traceEvents"\s*:')
_OF_TORCH = re.compile(rb'"schemaVersion"\s*:')
"""Torch writes it first."""
_INSTEAD = "give the bundle that it was made of, an ORT profile with --ort, a torch trace with --torch"


def read_export(path: Path) -> Timeline | None:
    """The Timeline in a file that `ortprobe report` wrote for Perfetto or in Chrome's JSON; None where the file, if
    there is one, is nothing of that kind.

    Raises:
        UnreadableInput: it is a trace for the same viewers with no Timeline in it, or its Timeline is cut off, damaged,
            or of another version of ortprobe.
    """
    if not _is_file(path):
        return None
    beginning = _Beginning(TraceFile.at(path))
    if _carries(beginning):
        return _timeline(str(path), beginning)
    if next(_packets(beginning), None) is not None:
        raise UnreadableInput(f"{path}: is a Perfetto trace with no Timeline of ortprobe in it; {_INSTEAD}")
    if _OTHER_CHROME.search(beginning.content) and not _OF_TORCH.search(beginning.content):
        raise UnreadableInput(f"{path}: is a Chrome trace with no Timeline of ortprobe in it; {_INSTEAD}")
    return None


def refuse_export(path: Path) -> None:
    """Tell what ortprobe exported from what torch or ORT wrote: it is no trace of one source, but all that is known.

    Raises:
        UnreadableInput: it is an export, or can't be read.
    """
    if _is_file(path) and _carries(_Beginning(TraceFile.at(path))):
        raise UnreadableInput(
            f"{path}: is a whole capture that ortprobe exported; give it as it is: ortprobe report {path}"
        )


class _Beginning:
    """What a file begins with, decompressed, as far as somebody asked for it."""

    def __init__(self, file: TraceFile) -> None:
        self.content = bytearray()
        self._blocks = read_blocks(file)
        self.reach(_HEAD_BYTES)

    def reach(self, size_bytes: int) -> bool:
        """Read on until so much is there; False where the file ends, or its compression breaks, before that."""
        while len(self.content) < size_bytes:
            try:
                block = next(self._blocks, b"")
            except BrokenStream:
                block = b""
            if not block:
                return False
            self.content += block
        return True


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long for a name
        return False


def _carries(beginning: _Beginning) -> bool:
    """Whether there is a Timeline in it, whole or not."""
    return next(_pieces(beginning), None) is not None or _KEY.search(beginning.content, 0, _HEAD_BYTES) is not None


def _timeline(name: str, beginning: _Beginning) -> Timeline:
    try:
        pieces = list(_pieces(beginning))
        carried = b"".join(pieces) if pieces else _text(beginning)
        content = b"".join(read_blocks(TraceFile(name, partial(BytesIO, carried))))
    except (BrokenStream, ValueError) as error:
        raise UnreadableInput(f"{name}: the Timeline in it is cut off or damaged ({error}); send it again") from error
    return decode_timeline(content, name)


def _text(beginning: _Beginning) -> bytes:
    """What Chrome's JSON carries.

    Raises:
        BrokenStream: it has no end.
        ValueError: it is no base64.
    """
    key = _KEY.search(beginning.content)
    assert key is not None
    begin = searched = key.end()
    while (end := beginning.content.find(b'"', searched)) < 0:
        searched = len(beginning.content)
        if searched > _MOST_TEXT_BYTES or not beginning.reach(searched + 1):
            raise BrokenStream("it has no end")
    return base64.b64decode(beginning.content[begin:end], altchars=b"-_", validate=True)


def _pieces(beginning: _Beginning) -> Iterator[bytes]:
    """What the packets carry that a Perfetto trace begins with."""
    for packet in _packets(beginning):
        mine = [content for number, content in packet if number == TIMELINE_FIELD]
        if not mine:
            return
        yield from mine


def _packets(beginning: _Beginning) -> Iterator[list[tuple[int, bytes]]]:
    """The fields of each packet of a Perfetto trace by their numbers, those that have bytes; none from the first packet
    on that is no packet. Of one that is cut off, what it carries of ours."""
    at = 0
    while beginning.reach(at + 2) and beginning.content[at] == _PACKET_TAG:
        beginning.reach(at + 1 + _VARINT_BYTES)
        begin, size_bytes = _varint(beginning.content, at + 1)
        at = begin + size_bytes
        if not 0 < size_bytes <= _MOST_PACKET_BYTES:
            return
        is_whole = beginning.reach(at)
        found, is_packet = _fields(bytes(beginning.content[begin:at]))
        if not is_whole:
            found = [one for one in found if one[0] == TIMELINE_FIELD]
            is_packet = bool(found)
        if not is_packet:
            return
        yield found


def _fields(packet: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """The fields of a packet that have bytes, and whether it is one to its end."""
    found, at = list[tuple[int, bytes]](), 0
    while at < len(packet):
        at, key = _varint(packet, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            at, _ = _varint(packet, at)
        elif wire == _LENGTH:
            at, size_bytes = _varint(packet, at)
            found.append((number, packet[at : at + size_bytes]))
            at += size_bytes
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            return found, False
        if not number:
            return found, False
    return found, at == len(packet)


def _varint(content: bytes | bytearray, at: int) -> tuple[int, int]:
    """Where the number at `at` ends, and its value; behind all, and 0, where it does not end."""
    value = 0
    for place, byte in enumerate(content[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return at + place + 1, value
    return len(content) + 1, 0
