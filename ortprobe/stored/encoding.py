"""The Timeline's objects as JSON, in which columns are numbers, and the columns behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec
import numpy as np

from ortprobe import __version__
from ortprobe.errors import UnreadableInput
from ortprobe.stored.checks import contradiction
from ortprobe.stored.columns import Column, ColumnForm, decode_column, encode_column
from ortprobe.stored.layout import layout_of
from ortprobe.timeline import Timeline

FORMAT_VERSION = 1
"""Of these bytes. To be raised when they, or what attributes of the Timeline mean, change; that there are others shows
in the layout."""
_MAGIC = b"ortprobe timeline\n"
_LENGTH_BYTES = 8
_NO_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises at text that is no JSON, of another form, not UTF-8, or nested too deep."""


class _Version(msgspec.Struct):
    """Which ortprobe can read what follows; read before all else, and by all versions."""

    format: int
    layout: str
    written_by: str


class _Stored(_Version):
    columns: list[ColumnForm]
    timeline: msgspec.Raw
    """With the number of a column in place of each."""


def encode_timeline(timeline: Timeline) -> bytes:
    """A Timeline as bytes, for `decode_timeline`. Uncompressed; zstd makes a seventh of them."""
    forms: list[ColumnForm] = []
    contents: list[bytes] = []

    def number_of(column: object) -> int:
        if not isinstance(column, np.ndarray):
            raise NotImplementedError(f"{type(column)} in a Timeline")
        form, content = encode_column(column)
        forms.append(form)
        contents.append(content)
        return len(forms) - 1

    objects = msgspec.Raw(msgspec.json.encode(timeline, enc_hook=number_of))
    head = msgspec.json.encode(
        _Stored(
            format=FORMAT_VERSION, layout=layout_of(Timeline), written_by=__version__, columns=forms, timeline=objects
        )
    )  # fmt: skip
    return b"".join((_MAGIC, len(head).to_bytes(_LENGTH_BYTES, "little"), head, *contents))


def decode_timeline(content: bytes, name: str) -> Timeline:
    """The Timeline that `encode_timeline` made these bytes of, after all of it was checked.

    Args:
        content: from anybody.
        name: of the file they are from, for messages.

    Raises:
        UnreadableInput: they are of another version of ortprobe, damaged, or forged.
    """
    begin = len(_MAGIC) + _LENGTH_BYTES
    if not content.startswith(_MAGIC) or len(content) < begin:
        raise UnreadableInput(f"{name}: holds no Timeline of ortprobe; export it again")
    behind = begin + int.from_bytes(content[len(_MAGIC) : begin], "little")
    head = content[begin:behind]
    try:
        version = msgspec.json.decode(head, type=_Version)
    except _NO_JSON as error:
        raise _damaged(name, error) from error
    if (version.format, version.layout) != (FORMAT_VERSION, layout_of(Timeline)):
        raise UnreadableInput(
            f"{name}: was exported by ortprobe {version.written_by[:20]}, which this one, {__version__}, can't read; "
            "use the version that wrote it, or export the bundle again"
        )
    try:
        stored = msgspec.json.decode(head, type=_Stored)
        column = _reader(stored.columns, memoryview(content)[behind:])
        timeline = msgspec.json.decode(stored.timeline, type=Timeline, dec_hook=column)
    except (*_NO_JSON, ValueError) as error:
        raise _damaged(name, error) from error
    fault = contradiction(timeline)
    if fault:
        raise _damaged(name, fault)
    return timeline


def _reader(forms: list[ColumnForm], content: memoryview) -> Callable[[type, object], Column]:
    """What gives the column of a number, if it is of the type that is wanted.

    Raises:
        ValueError: the columns are not what lies there.
    """
    if not all(form.is_known for form in forms) or sum(form.size_bytes for form in forms) != len(content):
        raise ValueError("its columns are not what it says")
    starts = np.cumsum([0, *(form.size_bytes for form in forms)]).tolist()

    def column(hint: type, number: object) -> Column:
        if not (isinstance(number, int) and 0 <= number < len(forms)):
            raise ValueError("names a column that it lacks")
        decoded = decode_column(forms[number], content[starts[number] : starts[number + 1]])
        if decoded.dtype != _dtype_of(hint):
            raise ValueError("a column is of another type")
        return decoded

    return column


def _dtype_of(hint: object) -> np.dtype[np.generic]:
    """`NDArray[np.int32]` → the dtype int32."""
    (scalar,) = get_args(get_args(hint)[1])
    dtype: np.dtype[np.generic] = np.dtype(scalar)
    return dtype


def _damaged(name: str, why: object) -> UnreadableInput:
    return UnreadableInput(f"{name}: the Timeline in it is damaged ({str(why)[:200]}); export or send it again")
