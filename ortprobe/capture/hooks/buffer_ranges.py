"""Where a tensor lies: the fields of a `Call` that say which bytes it reads or writes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from ortprobe.capture.runner.element_types import numpy_name

if TYPE_CHECKING:
    from onnxruntime import OrtValue

Fields = dict[str, Any]
Direction = Literal["read", "write"]


def value_fields(value: OrtValue, direction: Direction) -> Fields:
    """Of an OrtValue; nothing but the device for one that holds no tensor."""
    device = str(value.device_name()).lower()
    if not value.is_tensor():
        return {"device": device}
    dtype = numpy_name(str(value.data_type()))
    if hasattr(value, "tensor_size_in_bytes"):
        size_bytes = value.tensor_size_in_bytes()
    else:
        size_bytes = prod(value.shape()) * element_bytes(value.element_type())
    return {
        "device": device,
        "dtype": dtype,
        f"{direction}_address": value.data_ptr(),
        f"{direction}_bytes": size_bytes,
    }


def array_fields(array: object, direction: Direction) -> Fields:
    """Of a numpy array, or of an OrtValue, which `run` takes too; empty for anything else."""
    if hasattr(array, "ctypes") and hasattr(array, "nbytes"):
        return {
            "device": "cpu",
            "dtype": str(array.dtype),  # type: ignore[attr-defined]
            f"{direction}_address": array.ctypes.data,
            f"{direction}_bytes": array.nbytes,
        }
    return value_fields(array, direction) if hasattr(array, "device_name") else {}


def pointer_fields(
    address: int | None, shape: Sequence[int] | None, element_type: object, direction: Direction
) -> Fields:
    """Of a buffer that is bound by its address; empty where ORT is to allocate it."""
    if not address or shape is None:
        return {}
    return {
        "dtype": element_name(element_type),
        f"{direction}_address": int(address),
        f"{direction}_bytes": prod(shape) * element_bytes(element_type),
    }


def element_bytes(element_type: object) -> int:
    """Size of one element, given as ORT takes it: a numpy type, or the number of an ONNX type."""
    import numpy as np

    if isinstance(element_type, int):
        import onnx

        return int(onnx.helper.tensor_dtype_to_np_dtype(element_type).itemsize)
    return int(np.dtype(element_type).itemsize)  # type: ignore[call-overload]


def element_name(element_type: object) -> str:
    """The element's name as numpy has it, or as ONNX does for the types that numpy lacks."""
    import numpy as np

    if isinstance(element_type, int):
        import onnx

        return str(onnx.TensorProto.DataType.Name(element_type)).lower()
    return str(np.dtype(element_type))  # type: ignore[call-overload]
