"""A serialised ONNX model without the data of its initialisers, so that gigabytes of weights are neither read nor held.

Follows the protobuf wire format and the field numbers of `onnx.proto`, which can't change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

_GRAPH_OF_MODEL = 7
_INITIALIZER_OF_GRAPH = 5
_DATA_OF_TENSOR = frozenset({4, 5, 7, 9, 10, 11})
"""`float_data`, `int32_data`, `int64_data`, `raw_data`, `double_data`, `uint64_data`; strings stay, for their size."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class _Malformed(Exception):
    """Not the wire format of protobuf."""


def without_weights(content: memoryview) -> bytes:
    """The model as protobuf can parse it; what is no model comes back as it is, for protobuf to say so."""
    try:
        return _message(content, {_GRAPH_OF_MODEL: _graph})
    except _Malformed:
        return bytes(content)


def _graph(content: memoryview) -> bytes:
    return _message(content, {_INITIALIZER_OF_GRAPH: _tensor})


def _tensor(content: memoryview) -> bytes:
    return b"".join(content[start:end] for number, start, _, end in _fields(content) if number not in _DATA_OF_TENSOR)


def _message(content: memoryview, shortened: Mapping[int, Callable[[memoryview], bytes]]) -> bytes:
    """A message with some of its submessages shortened."""
    parts: list[bytes | memoryview] = []
    for number, start, data, end in _fields(content):
        if number in shortened and content[start] & 7 == _BYTES:
            part = shortened[number](content[data:end])
            parts += (_varint(number << 3 | _BYTES), _varint(len(part)), part)
        else:
            parts.append(content[start:end])
    return b"".join(parts)


def _fields(content: memoryview) -> Iterator[tuple[int, int, int, int]]:
    """Number, start of the field, start of its data, and end, of each field of a message."""
    at = 0
    while at < len(content):
        start = at
        key, at = _read_varint(content, at)
        kind = key & 7
        if kind == _BYTES:
            size, at = _read_varint(content, at)
            end = at + size
        elif kind == _VARINT:
            _, end = _read_varint(content, at)
        elif kind in (_FIXED64, _FIXED32):
            end = at + (8 if kind == _FIXED64 else 4)
        else:
            raise _Malformed
        if end > len(content):
            raise _Malformed
        yield key >> 3, start, at, end
        at = end


def _read_varint(content: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(content[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise _Malformed


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
