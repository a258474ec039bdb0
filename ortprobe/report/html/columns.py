"""Integer columns as text: delta, byte shuffle, raw deflate, base64. `js/codec.js` reads them back.

Deltas make neighbours alike, and the shuffle puts bytes of equal weight beside each other, so that deflate finds the
repetition of a loop: about 4 bytes an event where the raw columns have 30.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ortprobe.timeline import Int64s


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """How one column is written: its bytes per value, and whether values are differences to the one before."""

    name: str
    width: int
    delta: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    """Columns of equal length in one block of text."""

    specs: tuple[ColumnSpec, ...]
    length: int
    text: str


def encode(columns: Mapping[str, Int64s], delta: frozenset[str]) -> Encoded:
    """One block of base64 text; the columns named in `delta` are written as differences.

    Any int64 of up to 53 bits is kept exactly, which is what JavaScript's numbers can hold.
    """
    specs: list[ColumnSpec] = []
    planes: list[bytes] = []
    for name, values in columns.items():
        unsigned = _zigzag(np.diff(values, prepend=0) if name in delta else values)
        width, raw = _narrow(unsigned)
        specs.append(ColumnSpec(name, width, name in delta))
        planes.append(raw.T.tobytes())
    length = len(next(iter(columns.values()))) if columns else 0
    return Encoded(tuple(specs), length, deflate(b"".join(planes)))


def deflate(raw: bytes) -> str:
    """Raw deflate (no header, as `DecompressionStream("deflate-raw")` wants it) in base64."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(raw) + packer.flush()).decode("ascii")


def _zigzag(values: Int64s) -> NDArray[np.uint64]:
    """0, -1, 1, -2 … → 0, 1, 2, 3 …, so that small negative numbers stay small."""
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def _narrow(values: NDArray[np.uint64]) -> tuple[int, NDArray[np.uint8]]:
    """The least width that holds all values, and the values as a table of bytes, the lowest first."""
    top = int(values.max()) if len(values) else 0
    width = max(1, (top.bit_length() + 7) // 8)
    return width, values.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width]
