"""The events of a Chrome trace as a stream: a JSON array too large to hold, cut off anywhere, or with broken events.

The array is cut where one event ends and the next begins, and each chunk is decoded as a whole. Only a chunk that
can't be decoded is looked at event by event: its events are repaired where the damage is known, and counted where not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

import msgspec

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.sources.files import BrokenStream, TraceFile, read_blocks
from ortprobe.ingest.sources.json_repair import STRING, repaired

_CHUNK_BYTES = 1 << 20
_MOST_EVENT_BYTES = 64 << 20
"""More than this without a place to cut is no array of events."""
_MOST_HEAD_BYTES = 64 << 20
_TAIL_BYTES = 16 << 20

_CUT = re.compile(rb'\}\s*(,)\s*(?=\{\s*"(?:ph|name|cat|pid|tid|ts|dur|id|args|s|bp)"\s*:)')
"""Between two events. Objects nested in an event's arguments can look alike, which shows when decoding fails."""
_ARRAY_KEY = re.compile(rb'"traceEvents"\s*:\s*\[')
_CLOSE = re.compile(rb"\}\s*\]")
_BLANK = b" \t\r\n"
_LFS_POINTER = b"version https://git-lfs"
_MOST_TRIED = 64
"""An event may hold this many places that look like its end, or like the end of the array."""
_MOST_JOINED_BYTES = 1 << 20
_MOST_REPAIRED_BYTES = 8 << 20
"""Of one event. A name of control characters takes a hundred times its size to repair."""
_MOST_GUESSED_BYTES = 64 << 20
"""Of all events of a file together, as often as they are decoded to find out where they end."""
_GUESS_BYTES = 1 << 10
"""What the shortest guess counts, by the time that it takes."""
_MOST_IRREPARABLE = 10_000
"""After so many events that could not be mended, no other is tried in this file: that takes a hundred times longer."""
_MOST_BETWEEN_BYTES = 1 << 10
"""Between two events, as far as a place to cut is looked for anew when more of the file is there."""

_T = TypeVar("_T")
Decode = Callable[[bytes], list[_T]]


class EventStream(Generic[_T]):
    """Decoded events, a list for each chunk; an event that can't be read is None, so that positions hold.

    Once it is exhausted, the other attributes say what the file was like.

    Raises:
        UnreadableInput: on iteration, when the file can't be read or holds no array of events.
    """

    def __init__(self, file: TraceFile, decode: Decode[_T]) -> None:
        self.file = file
        self.head = b""
        """What precedes the events of an object with `traceEvents`, including the opening bracket; else empty."""
        self.tail = b""
        """What follows the array."""
        self.unreadable = 0
        """Events that could not be decoded."""
        self.broken = ""
        """Why the array has no end, in words; empty when it has one."""
        self.is_empty = True
        """Whether the file held nothing but blanks."""
        self._decode = decode
        self._closed = False
        self._guesses_left_bytes = _MOST_GUESSED_BYTES
        self._has_events = False
        self._keys_left = _MOST_TRIED

    def __iter__(self) -> Iterator[list[_T | None]]:
        pending, searched = b"", 0
        blocks = self._blocks()
        for block in blocks:
            pending = (pending + block).lstrip(_BLANK)
            start = self._array_start(pending, searched)
            searched = max(len(pending) - _MOST_BETWEEN_BYTES, 0)
            if start is not None:
                pending = pending[start:]
                break
            if len(pending) > _MOST_HEAD_BYTES:
                break
        else:
            if not self.is_empty:
                raise UnreadableInput(f"{self.file.name}: {self._no_array(pending)}")
            return
        yield from self._events(pending, blocks)

    def _no_array(self, pending: bytes) -> str:
        if pending.startswith(_LFS_POINTER):
            return "is a Git LFS pointer in place of the trace; get the file with: git lfs pull"
        if pending.lstrip(_BLANK)[:1] == b"{" and not pending.rstrip(_BLANK).endswith(b"}"):
            return "is cut off before its first event; copy or export it again"
        return "is no trace (no array of events in it)"

    def _blocks(self) -> Iterator[bytes]:
        try:
            for block in read_blocks(self.file):
                self.is_empty = self.is_empty and not block.strip(_BLANK)
                yield block
        except BrokenStream as error:
            self.broken = str(error)

    def _array_start(self, text: bytes, searched: int) -> int | None:
        """Where the first event begins: a bare array, or the value of a `traceEvents` behind `searched`."""
        begin = 3 if text.startswith(b"\xef\xbb\xbf") else 0
        if text[begin:].lstrip(_BLANK)[:1] == b"[":
            return text.index(b"[", begin) + 1
        for found in islice(_ARRAY_KEY.finditer(text, searched), self._keys_left):
            self._keys_left -= 1
            if _is_member(text[begin : found.start()]):
                self.head = text[begin : found.end()]
                return found.end()
        return None

    def _events(self, pending: bytes, blocks: Iterator[bytes]) -> Iterator[list[_T | None]]:
        searched = 0
        for block in blocks:
            if self._closed:
                self.tail += block[: max(_TAIL_BYTES - len(self.tail), 0)]
                continue
            pending += block
            if len(pending) < _CHUNK_BYTES:
                continue
            cut = _last_cut(pending, searched)
            searched = 0 if cut else max(len(pending) - _MOST_BETWEEN_BYTES, 0)
            if cut:
                yield self._chunk(pending[:cut])
                pending = pending[cut + 1 :]
            elif len(pending) > _MOST_EVENT_BYTES:
                what = f"a single event of more than {_MOST_EVENT_BYTES >> 20} MiB"
                raise UnreadableInput(f"{self.file.name}: is no trace ({what})")
        if not self._closed:
            cut = _last_cut(pending, searched)
            if cut:
                yield self._chunk(pending[:cut])
                pending = pending[cut + 1 :]
            yield self._last(pending)

    def _last(self, text: bytes) -> list[_T | None]:
        """The last event, the end of the array, and what follows it."""
        if self._closed:
            self.tail += text
            return []
        if text.lstrip(_BLANK)[:1] == b"]":
            self._close(text.lstrip(_BLANK))
            return []
        events = self._one_by_one(text) if text.strip(_BLANK) else []
        if not self._closed and (end := _whole_end(text)):
            self._close(text[end:])
        elif not self._closed:
            self.broken = self.broken or "it ends in the middle"
            if events and events[-1] is None:
                self.unreadable -= 1  # what was cut in two is no damaged event
                events.pop()
        return events

    def _chunk(self, text: bytes) -> list[_T | None]:
        if self._closed:
            self.tail += text
            return []
        try:
            events = self._decode(b"".join((b"[", text, b"]")))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._one_by_one(text)
        self._has_events = True
        return [*events]

    def _one_by_one(self, text: bytes) -> list[_T | None]:
        ends = [match.start(1) for match in _CUT.finditer(text)] + [len(text)]
        events: list[_T | None] = []
        begin = at = 0
        while at < len(ends) and not self._closed:
            found, at = self._from(text, begin, ends, at)
            self.unreadable += not found
            self._has_events |= bool(found)
            if not self._has_events and self.unreadable > _MOST_IRREPARABLE:
                raise UnreadableInput(f"{self.file.name}: is no trace (none of {self.unreadable:,} events can be read)")
            events += found or [None]
            begin = ends[at - 1] + 1
        if self._closed:
            self.tail += text[begin:]
        return events

    def _from(self, text: bytes, begin: int, ends: list[int], at: int) -> tuple[list[_T], int]:
        """The event that begins at `begin`, none if it can't be read, and the position in `ends` after it."""
        piece = text[begin : ends[at]]
        found = self._read(piece) or self._closing(piece)
        for joined in range(at, min(len(ends) - 1, at + _MOST_TRIED)):
            if found or self._guesses_left_bytes < 0:
                break
            if joined != at and not _is_open(text[begin : ends[joined]]):
                break
            found = self._guess(text[begin : ends[joined + 1]])
            at = joined + 1 if found else at
        return found, at + 1

    def _closing(self, piece: bytes) -> list[_T]:
        """The last event of the array, when the array ends within the piece."""
        for match in islice(_CLOSE.finditer(piece), _MOST_TRIED):
            found = self._guess(piece[: match.start() + 1])
            if found:
                self._close(piece[match.end() - 1 :])
                return found
        return []

    def _close(self, text: bytes) -> None:
        self._closed = True
        self.tail = text[1:]

    def _guess(self, piece: bytes) -> list[_T]:
        """The event, if it ends in a place that looks like its end, and if not too many such places were tried."""
        self._guesses_left_bytes -= max(len(piece), _GUESS_BYTES)
        return self._read(piece) if self._guesses_left_bytes >= 0 else []

    def _read(self, piece: bytes) -> list[_T]:
        is_tried = len(piece) <= _MOST_REPAIRED_BYTES and self.unreadable < _MOST_IRREPARABLE
        for text in chain((piece,), repaired(piece) if is_tried else ()):
            try:
                return self._decode(b"".join((b"[", text, b"]")))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
        return []


def _last_cut(text: bytes, searched: int) -> int:
    """Position of the comma of the last cut; 0 when there is none behind the part that was searched before."""
    reach = 1 << 16
    while True:
        begin = max(len(text) - reach, searched)
        found = None
        for found in _CUT.finditer(text, begin):  # noqa: B007
            pass
        if found is not None:
            return found.start(1)
        if begin == searched:
            return 0
        reach *= 4


def _whole_end(text: bytes) -> int:
    """Where the array ends in a text that can't be decoded, if it looks like the end of a whole file; else 0."""
    closing = None
    if text.rstrip(_BLANK)[-1:] in (b"]", b"}"):
        for closing in _CLOSE.finditer(text):  # noqa: B007
            pass
    return closing.end() - 1 if closing else 0


def _is_member(before: bytes) -> bool:
    """Whether a key that stands after this text is one of the file's own, and not of an object inside of it."""
    outside = STRING.sub(b"", before)
    return outside.count(b"{") - outside.count(b"}") == 1 and outside.count(b"[") == outside.count(b"]")


def _is_open(text: bytes) -> bool:
    """Whether an object begins in it that does not end in it."""
    if len(text) > _MOST_JOINED_BYTES:
        return False
    outside = STRING.sub(b"", text)
    return outside.count(b"{") > outside.count(b"}")
