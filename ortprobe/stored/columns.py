"""A NumPy column as bytes that compress well: all first bytes of its values, then all second ones, and so on.

Of a column that never falls, such as the times that spans begin, the steps from value to value are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
}


class ColumnForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """How a column is stored."""

    dtype: str
    rows: int
    is_steps: bool
    """Whether it holds the first value and then what each adds to the one before."""

    @property
    def size_bytes(self) -> int:
        return self.rows * _DTYPES[self.dtype].itemsize

    @property
    def is_known(self) -> bool:
        """Whether there can be such a column."""
        return self.dtype in _DTYPES and self.rows >= 0 and not (self.is_steps and self.dtype == "bool")


def encode_column(column: Column) -> tuple[ColumnForm, bytes]:
    """A column of one of the Timeline's types."""
    dtype = column.dtype.name
    is_steps = column.dtype.kind == "i" and bool((column[1:] >= column[:-1]).all())
    values = np.diff(column, prepend=column.dtype.type(0)) if is_steps else column
    little = np.ascontiguousarray(values, _DTYPES[dtype])
    pieces = little.view(np.uint8).reshape(-1, little.itemsize).T
    return ColumnForm(dtype, len(column), is_steps), pieces.tobytes()


def decode_column(form: ColumnForm, content: memoryview) -> Column:
    """The column that `form`, which is known, and these bytes, so many as it says, are of.

    Raises:
        ValueError: a truth value is neither 0 nor 1.
    """
    little = _DTYPES[form.dtype]
    pieces = np.frombuffer(content, np.uint8).reshape(little.itemsize, form.rows)
    if form.dtype == "bool" and pieces.max(initial=0) > 1:
        raise ValueError("a column of truth values holds others")
    native = little.newbyteorder("=")
    column = np.ascontiguousarray(pieces.T).reshape(-1).view(little).astype(native, copy=False)
    return np.cumsum(column, dtype=native) if form.is_steps else column
