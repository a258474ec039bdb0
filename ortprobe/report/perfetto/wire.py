"""Protocol buffers, many messages of one form at once: fields are NumPy columns, a message is a row.

A million events are two million packets; made one by one, by the protobuf package, they take half a minute. The
encoding is that of the Protocol Buffers documentation ("Encoding"): a key, then a varint, eight bytes, or a length and
so many bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ortprobe.timeline import Bools, Int64s

_Bytes: TypeAlias = NDArray[np.uint8]
_VARINT, _FIXED64, _LENGTH = 0, 1, 2
_SEVEN_BITS = np.array([1 << (7 * count) for count in range(1, 10)], np.uint64)
_ROWS_AT_ONCE = 1 << 15
"""So many messages, as a table of bytes, lie in a processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Varints:
    """A field of whole numbers: not negative, or as two's complement in 64 bits. Also enumerations and booleans."""

    number: int
    values: Int64s
    present: Bools | None = None
    """Which messages have the field; None for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed64s:
    """A field of eight bytes each."""

    number: int
    values: Int64s
    present: Bools | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """A field of strings; for few messages, each of which takes the room of the longest."""

    number: int
    values: Sequence[str]
    present: Bools | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """A field that holds a message each."""

    number: int
    fields: Sequence[Field]
    present: Bools | None = None


Field: TypeAlias = Varints | Fixed64s | Texts | Nested
_Column: TypeAlias = tuple[_Bytes, Bools]
"""One byte of each message, and which messages have it."""


def encode(count: int, number: int, fields: Sequence[Field]) -> bytes:
    """`count` messages with these fields, as the values of the repeated field `number` of one outer message.

    Fields come in the order in which they are given; one that is given several times is repeated.
    """
    return b"".join(batches(count, number, fields))


def batches(count: int, number: int, fields: Sequence[Field]) -> Iterator[bytes]:
    """The same in pieces of whole messages, `_ROWS_AT_ONCE` each."""
    for first in range(0, count, _ROWS_AT_ONCE):
        rows = slice(first, min(first + _ROWS_AT_ONCE, count))
        columns = list(_nested(number, fields, np.ones(rows.stop - first, np.bool_), rows))
        table, there = (np.stack(each, axis=1) for each in zip(*columns, strict=True))
        yield table[there].tobytes()


def wrapped(number: int, content: bytes) -> bytes:
    """One field of bytes, of any length."""
    return _one_varint(number << 3 | _LENGTH) + _one_varint(len(content)) + content


def one(number: int, value: int) -> bytes:
    """One field of a whole number that is not negative."""
    return _one_varint(number << 3 | _VARINT) + _one_varint(value)


def _one_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _columns(field: Field, around: Bools, rows: slice) -> Iterator[_Column]:
    """The bytes of one field in these rows; `around` says which of them have the message that the field is in."""
    there = around if field.present is None else around & field.present[rows]
    if isinstance(field, Nested):
        yield from _nested(field.number, field.fields, there, rows)
    elif isinstance(field, Varints):
        yield from _key(field.number, _VARINT, there)
        yield from _varint(field.values[rows], there)
    elif isinstance(field, Fixed64s):
        yield from _key(field.number, _FIXED64, there)
        for column in np.ascontiguousarray(field.values[rows].astype("<i8")).view(np.uint8).reshape(-1, 8).T:
            yield column, there
    else:
        yield from _text(field.number, field.values[rows], there)


def _nested(number: int, fields: Sequence[Field], there: Bools, rows: slice) -> Iterator[_Column]:
    inner = [column for field in fields for column in _columns(field, there, rows)]
    yield from _key(number, _LENGTH, there)
    yield from _varint(_lengths(inner, len(there)), there)
    yield from inner


def _text(number: int, values: Sequence[str], there: Bools) -> Iterator[_Column]:
    encoded = [value.encode("utf-8", "replace") for value in values]
    length = np.array([len(one) for one in encoded], np.int64)
    width = int(length.max(initial=0))
    table = np.frombuffer(b"".join(one.ljust(width, b"\0") for one in encoded), np.uint8).reshape(len(values), width)
    yield from _key(number, _LENGTH, there)
    yield from _varint(length, there)
    for place, column in enumerate(table.T):
        yield column, there & (length > place)


def _lengths(columns: Sequence[_Column], count: int) -> Int64s:
    length = np.zeros(count, np.int64)
    for _, there in columns:
        length += there
    return length


def _key(number: int, wire: int, there: Bools) -> Iterator[_Column]:
    for byte, _ in _varint(np.array([number << 3 | wire], np.int64), np.ones(1, np.bool_)):
        yield np.broadcast_to(byte, len(there)), there


def _varint(values: Int64s, there: Bools) -> Iterator[_Column]:
    """Seven bits a byte, the lowest first; all but the last byte have their highest bit set."""
    left = np.ascontiguousarray(values, np.int64).view(np.uint64)
    last = np.searchsorted(_SEVEN_BITS, left, side="right")
    for place in range(int(last.max(initial=0)) + 1):
        more = (last > place).astype(np.uint8)
        yield (left & np.uint64(0x7F)).astype(np.uint8) | (more << np.uint8(7)), there & (last >= place)
        left = left >> np.uint64(7)
