"""Models whose nodes show one fault each, and models that nearly do."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto
from workload_models import Graph, as_model

LAYERS = 8


def convolutions(*, width: int = 32, layers: int = LAYERS) -> onnx.ModelProto:
    """A chain of convolutions for inputs of any size."""
    graph, x = Graph(), "x"
    for layer in range(layers):
        x = graph.node("Relu", graph.conv(x, (3 if layer == 0 else width, width), 3))
    return as_model(graph, x, ["N", 3, "H", "W"])


def shapes_on_the_cpu(*, layers: int = LAYERS, width: int = 256) -> onnx.ModelProto:
    """Each layer is reshaped by what it computes from its own shape, which ORT leaves to the CPU: nothing is copied."""
    graph, x = Graph(), "x"
    first, rest = graph.constant(np.array([0])), graph.constant(np.array([width]))
    for _ in range(layers):
        rows = graph.node("Gather", graph.node("Shape", x), first)
        shape = graph.node("Concat", rows, rest, axis=0)
        x = graph.node("Tanh", graph.node("Reshape", graph.linear(x, width, width), shape))
    return as_model(graph, x, ["N", width])


def slices(*, of_data: bool, layers: int = LAYERS, width: int = 256) -> onnx.ModelProto:
    """Each layer adds the part of itself that begins at index 0; with `of_data` the GPU computes that 0, and the slice
    wants it on the host."""
    graph, x = Graph(), "x"
    begin, end, axis = (graph.constant(np.array([value])) for value in (0, 1, 1))
    for _ in range(layers):
        x = graph.node("Tanh", graph.linear(x, width, width))
        if of_data:
            largest = graph.node("ReduceMax", graph.node("Abs", x), keepdims=0)
            zero = graph.node("Cast", graph.node("Mul", largest, graph.constant(np.float32([0]))), to=TensorProto.INT64)
            begin = zero
        x = graph.node("Add", x, graph.node("Slice", x, begin, end, axis))
    return as_model(graph, x, ["N", width])


def selections(*, of_data: bool, layers: int = LAYERS, width: int = 256) -> onnx.ModelProto:
    """Each layer takes what is greater than 0: by its indices, whose number the host has to know, or by a mask."""
    graph, x = Graph(), "x"
    zero = graph.constant(np.float32([0]))
    for _ in range(layers):
        x = graph.node("Tanh", graph.linear(x, width, width))
        positive = graph.node("Greater", x, zero)
        if of_data:
            found = graph.node("Transpose", graph.node("NonZero", positive), perm=[1, 0])
            x = graph.node("Add", x, graph.node("ReduceMean", graph.node("GatherND", x, found), keepdims=1))
        else:
            x = graph.node("Add", x, graph.node("Where", positive, x, zero))
    return as_model(graph, x, ["N", width])


def casts(*, layers: int = LAYERS) -> onnx.ModelProto:
    """Large tensors that go to half precision and back in each layer."""
    graph, x = Graph(), "x"
    for _ in range(layers):
        half = graph.node("Tanh", graph.node("Cast", x, to=TensorProto.FLOAT16))
        x = graph.node("Sigmoid", graph.node("Cast", half, to=TensorProto.FLOAT))
    return as_model(graph, x, ["N", 1024, 1024])


def activations(*, layers: int = LAYERS) -> onnx.ModelProto:
    """The same in one precision."""
    graph, x = Graph(), "x"
    for _ in range(layers):
        x = graph.node("Sigmoid", graph.node("Tanh", x))
    return as_model(graph, x, ["N", 1024, 1024])
