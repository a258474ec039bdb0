"""An ONNX model file as columns: nodes, values, initialisers by their sizes, subgraphs, functions.

Nothing of the model is executed or inferred, external data is never opened, and shapes are those the file states.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.models.onnx_weights import without_weights
from ortprobe.names import encodable
from ortprobe.timeline import NONE, GraphNodes, GraphValues, Initializers, Int32s, ModelGraph, Ragged

MAX_SIZE_BYTES = (1 << 31) - 1
"""A protobuf message can't be larger; larger models keep their weights in files beside it."""
_INT64_MAX = (1 << 63) - 1
_BITS = {
    "FLOAT": 32, "UINT8": 8, "INT8": 8, "UINT16": 16, "INT16": 16, "INT32": 32, "INT64": 64, "BOOL": 8, "FLOAT16": 16,
    "DOUBLE": 64, "UINT32": 32, "UINT64": 64, "COMPLEX64": 64, "COMPLEX128": 128, "BFLOAT16": 16, "FLOAT8E4M3FN": 8,
    "FLOAT8E4M3FNUZ": 8, "FLOAT8E5M2": 8, "FLOAT8E5M2FNUZ": 8, "FLOAT8E8M0": 8, "UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4,
    "UINT2": 2, "INT2": 2,
}  # fmt: skip
_CONSTANT_BYTES = {"value_float": 4, "value_int": 8, "value_floats": 4, "value_ints": 8}
_ONNX_DOMAINS = ("", "ai.onnx")

_Scope: TypeAlias = Sequence[dict[str, int]]
"""Names of the values that a graph sees, its own first, each with its row."""


def read_onnx_model(path: Path) -> ModelGraph:
    """Read one model.

    Raises:
        UnreadableInput: not there, larger than protobuf allows, or no ONNX model.
    """
    model, size_bytes = _parse(path)
    columns = _Columns()
    columns.add_graph("", model.graph, ())
    for function in model.functions:
        columns.add_function(function)
    producer = f"{_text(model.producer_name)} {_text(model.producer_version)}".strip()
    if not len(columns.node_name):
        raise UnreadableInput(f"{path}: is no ONNX model (there is no node in it)")
    return columns.collect(encodable(str(path)), size_bytes, producer)


def _parse(path: Path) -> tuple[onnx.ModelProto, int]:
    try:
        if not path.is_file():
            raise UnreadableInput(f"{path}: is no file; give an ONNX model")
        size_bytes = path.stat().st_size
        if size_bytes > MAX_SIZE_BYTES:
            raise UnreadableInput(f"{path}: is larger than 2 GiB, so it is no ONNX model; give the .onnx file itself")
        if not size_bytes:
            raise UnreadableInput(f"{path}: is empty; give an ONNX model")
        model = onnx.ModelProto()
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            memoryview(content) as view,
        ):
            model.ParseFromString(without_weights(view))
    except OSError as error:
        raise UnreadableInput(f"{path}: can't be read ({error.strerror})") from error
    except DecodeError as error:
        raise UnreadableInput(f"{path}: is no ONNX model, or is cut off ({error})") from error
    return model, size_bytes


class _Columns:
    """The columns of a ModelGraph while they grow."""

    def __init__(self) -> None:
        self.graphs: list[str] = []
        self.names: dict[str, int] = {}
        self.node_graph: list[int] = []
        self.node_position: list[int] = []
        self.node_name: list[int] = []
        self.node_op_type: list[int] = []
        self.node_domain: list[int] = []
        self.inputs: list[list[int]] = []
        self.outputs: list[list[int]] = []
        self.value_name: list[int] = []
        self.value_dtype: list[int] = []
        self.value_shape: list[int] = []
        self.value_producer: list[int] = []
        self.initializers: dict[int, int] = {}

    def add_graph(self, path: str, graph: onnx.GraphProto, outer: _Scope) -> None:
        """A graph and, where its nodes stand, their subgraphs. `outer` are the scopes around it, the nearest first."""
        self.graphs.append(path)
        number, own = len(self.graphs) - 1, dict[str, int]()
        for info in (*graph.input, *graph.output, *graph.value_info):
            self._describe(self._own_value(info.name, own), info)
        for tensor in graph.initializer:
            self._initializer(self._own_value(tensor.name, own), tensor.data_type, tensor.dims, _tensor_bytes(tensor))
        for sparse in graph.sparse_initializer:
            size_bytes = _sum(_tensor_bytes(sparse.values), _tensor_bytes(sparse.indices))
            row = self._own_value(sparse.values.name, own)
            self._initializer(row, sparse.values.data_type, sparse.dims, size_bytes)
        self._add_nodes(number, graph.node, (own, *outer))

    def add_function(self, function: onnx.FunctionProto) -> None:
        """The body of a function of the model; ORT puts a copy of it in place of each call."""
        self.graphs.append(f"{_text(function.domain)}::{_text(function.name)}")
        own: dict[str, int] = {}
        for name in (*function.input, *function.output):
            self._own_value(name, own)
        for info in function.value_info:
            self._describe(self._own_value(info.name, own), info)
        self._add_nodes(len(self.graphs) - 1, function.node, (own,))

    def collect(self, path: str, size_bytes: int, producer: str) -> ModelGraph:
        """All that was added."""
        return ModelGraph(
            path=path,
            size_bytes=size_bytes,
            producer=producer,
            graphs=tuple(self.graphs),
            names=tuple(self.names),
            nodes=GraphNodes(
                graph=_int32s(self.node_graph),
                position=_int32s(self.node_position),
                name=_int32s(self.node_name),
                op_type=_int32s(self.node_op_type),
                domain=_int32s(self.node_domain),
                inputs=Ragged.of(self.inputs),
                outputs=Ragged.of(self.outputs),
            ),
            values=GraphValues(
                name=_int32s(self.value_name),
                dtype=_int32s(self.value_dtype),
                shape=_int32s(self.value_shape),
                producer=_int32s(self.value_producer),
            ),
            initializers=Initializers(
                value=_int32s(self.initializers), size_bytes=np.fromiter(self.initializers.values(), np.int64)
            ),
        )

    def _add_nodes(self, graph: int, nodes: Iterable[onnx.NodeProto], scope: _Scope) -> None:
        position = 0
        for node in nodes:
            is_constant = node.op_type == "Constant" and node.domain in _ONNX_DOMAINS
            row = len(self.node_name)
            self.node_graph.append(graph)
            self.node_position.append(NONE if is_constant else position)
            self.node_name.append(self._name(node.name))
            self.node_op_type.append(self._name(node.op_type))
            self.node_domain.append(self._name(node.domain))
            self.inputs.append([self._seen_value(name, scope) for name in node.input if name])
            self.outputs.append([self._own_value(name, scope[0]) for name in node.output if name])
            for value in self.outputs[-1]:
                self.value_producer[value] = row
            if is_constant:
                self._add_constant(node, self.outputs[-1])
                continue
            label = _text(node.name) or f"{_text(node.op_type)}_{position}"
            position += 1
            for attribute in node.attribute:
                for subgraph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                    self.add_graph(f"{self.graphs[graph]}/{label}.{_text(attribute.name)}", subgraph, scope)

    def _add_constant(self, node: onnx.NodeProto, outputs: Sequence[int]) -> None:
        for attribute in node.attribute if outputs else ():
            if attribute.HasField("t"):
                tensor = attribute.t
                self._initializer(outputs[0], tensor.data_type, tensor.dims, _tensor_bytes(tensor))
            elif attribute.name in _CONSTANT_BYTES:
                count = max(len(attribute.floats), len(attribute.ints), 1)
                self.initializers[outputs[0]] = count * _CONSTANT_BYTES[attribute.name]

    def _initializer(self, value: int, dtype: int, dims: Sequence[int], size_bytes: int) -> None:
        self.initializers[value] = size_bytes
        self.value_dtype[value] = self._dtype(dtype)
        self.value_shape[value] = self._name(f"[{','.join(map(str, dims))}]")

    def _describe(self, value: int, info: onnx.ValueInfoProto) -> None:
        for kind in ("tensor_type", "sparse_tensor_type"):
            if info.type.HasField(kind):
                tensor = getattr(info.type, kind)
                self.value_dtype[value] = self._dtype(tensor.elem_type)
                if tensor.HasField("shape"):
                    self.value_shape[value] = self._name(f"[{','.join(map(_dim_text, tensor.shape.dim))}]")

    def _seen_value(self, name: str, scope: _Scope) -> int:
        """A value that a node reads: its own graph's, one of a graph around it, or one that nobody declared yet."""
        row = next((own[name] for own in scope if name in own), None)
        return self._own_value(name, scope[0]) if row is None else row

    def _own_value(self, name: str, own: dict[str, int]) -> int:
        row = own.setdefault(name, len(self.value_name))
        if row == len(self.value_name):
            self.value_name.append(self._name(name))
            self.value_dtype.append(NONE)
            self.value_shape.append(NONE)
            self.value_producer.append(NONE)
        return row

    def _dtype(self, number: int) -> int:
        name = _dtype_name(number)
        return self._name(name.lower()) if name else NONE

    def _name(self, text: str | bytes) -> int:
        return self.names.setdefault(_text(text), len(self.names))


def _int32s(values: Iterable[int]) -> Int32s:
    return np.fromiter(values, np.int32)


def _dim_text(dim: onnx.TensorShapeProto.Dimension) -> str:
    return str(dim.dim_value) if dim.HasField("dim_value") else _text(dim.dim_param) or "?"


def _text(text: str | bytes) -> str:
    """protobuf gives a string that is not UTF-8 as bytes (7.36)."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _dtype_name(number: int) -> str:
    """`FLOAT`, …; empty for `UNDEFINED` and for what this version of onnx does not know."""
    known = number and number in onnx.TensorProto.DataType.values()
    return str(onnx.TensorProto.DataType.Name(number)) if known else ""


def _tensor_bytes(tensor: onnx.TensorProto) -> int:
    """By dtype and shape, wherever the data lies: reading the data itself would copy it."""
    name = _dtype_name(tensor.data_type)
    if name == "STRING":
        return sum(len(text) for text in tensor.string_data)
    bits = _BITS.get(name)
    if bits is None or any(size < 0 for size in tensor.dims):
        return NONE
    size_bytes = (prod(tensor.dims) * bits + 7) // 8
    return size_bytes if size_bytes <= _INT64_MAX else NONE


def _sum(*sizes_bytes: int) -> int:
    return NONE if NONE in sizes_bytes else sum(sizes_bytes)
