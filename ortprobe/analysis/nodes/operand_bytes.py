"""Sizes of tensors that ORT's profile describes: `[{"float":[8,64]},{"int64":[]}]`."""

from __future__ import annotations

import math

import msgspec

ELEMENT_BITS = {
    "bool": 8, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64, "uint64": 64,
    "float16": 16, "bfloat16": 16, "float": 32, "double": 64, "complex64": 64, "complex128": 128,
    "float8e4m3fn": 8, "float8e4m3fnuz": 8, "float8e5m2": 8, "float8e5m2fnuz": 8, "int4": 4, "uint4": 4,
}  # fmt: skip
"""By ORT's names of types (`DataTypeImpl::ToString`). Strings and what has no fixed size are not in it."""

_NO_MEMORY_HAS = 1 << 46
_DECODER = msgspec.json.Decoder(list[dict[str, list[int]]])


def tensors_bytes(written: str) -> int | None:
    """Size of all tensors together; None where it can't be told.

    ORT lists what a kernel's inputs are when it runs: initialisers are among them (seen with 1.31.1 on CPU and H100),
    unless the kernel packed them into a layout of its own when the session was made.
    """
    try:
        tensors = [next(iter(each.items())) for each in _DECODER.decode(written) if each]
    except msgspec.DecodeError:
        return None
    if any(kind not in ELEMENT_BITS or min(shape, default=0) < 0 for kind, shape in tensors):
        return None
    size_bytes = sum((ELEMENT_BITS[kind] * math.prod(shape) + 7) // 8 for kind, shape in tensors)
    return size_bytes if tensors and size_bytes < _NO_MEMORY_HAS else None
