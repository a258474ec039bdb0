"""Element types under the names that numpy, torch and ONNX give them, and which bytes can be taken for which."""

from __future__ import annotations

_SAME = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e5m2": "float8_e5m2",
}
"""ONNX's names, where numpy and torch have others."""
_ANY_BYTES = frozenset({"uint8", "int8", "bool"})
"""Tensors of these are taken for plain memory, and for truth values."""
_BITS = {
    "float16": 16, "bfloat16": 16, "float32": 32, "float64": 64, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32,
    "int64": 64, "uint64": 64, "complex64": 64, "complex128": 128, "int8": 8, "uint8": 8, "bool": 8,
}  # fmt: skip


def can_stand_for(own: str, bound: str) -> bool:
    """Whether memory of elements `own` can be meant as elements `bound`; also where one of them is not known."""
    own, bound = _SAME.get(own, own), _SAME.get(bound, bound)
    if own == bound or own in _ANY_BYTES or own not in _BITS or bound not in _BITS:
        return True
    if own.startswith("complex"):
        return bound.startswith("float") and _BITS[own] == 2 * _BITS[bound]
    return own.removeprefix("u") == bound.removeprefix("u")
