"""ONNX element types under the names that numpy, torch and onnx give them."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.errors import UsageError


@dataclass(frozen=True, slots=True)
class ElementType:
    """One element type. `numpy` is "" where numpy has none; `onnx` is its number in `TensorProto.DataType`."""

    numpy: str
    torch: str
    onnx: int


_TYPES = {
    "tensor(float)": ElementType("float32", "float32", 1),
    "tensor(uint8)": ElementType("uint8", "uint8", 2),
    "tensor(int8)": ElementType("int8", "int8", 3),
    "tensor(uint16)": ElementType("uint16", "uint16", 4),
    "tensor(int16)": ElementType("int16", "int16", 5),
    "tensor(int32)": ElementType("int32", "int32", 6),
    "tensor(int64)": ElementType("int64", "int64", 7),
    "tensor(bool)": ElementType("bool", "bool", 9),
    "tensor(float16)": ElementType("float16", "float16", 10),
    "tensor(double)": ElementType("float64", "float64", 11),
    "tensor(uint32)": ElementType("uint32", "uint32", 12),
    "tensor(uint64)": ElementType("uint64", "uint64", 13),
    "tensor(bfloat16)": ElementType("", "bfloat16", 16),
}


def numpy_name(name: str) -> str:
    """The element type that onnxruntime writes as `name`, under numpy's name, or ONNX's where numpy has none."""
    found = _TYPES.get(name)
    return found.numpy if found is not None and found.numpy else name.removeprefix("tensor(").removesuffix(")")


def element_type(name: str, buffer: str) -> ElementType:
    """The element type that onnxruntime writes as `name`, `tensor(float)` for example, of the input `buffer`.

    Raises:
        UsageError: a string, a sequence, a map or an element type that can't be bound to memory.
    """
    found = _TYPES.get(name)
    if found is None:
        raise UsageError(f"{buffer!r} is a {name}: only tensors of numbers and booleans can be bound to a buffer")
    return found
