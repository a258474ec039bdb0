"""Models of three characters, made on the spot: many large kernels, a transformer, and many tiny kernels.

Weights are random and the same every time. `hardmax` puts operators between the layers that only the CPU provider has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_RESNET_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Width, blocks and first stride of the four stages of ResNet-50 (He et al. 2015, table 1)."""
_CPU_ONLY = "Hardmax"
"""onnxruntime 1.31 has no CUDA kernel for it."""


@dataclass
class Graph:
    """A chain of nodes under construction; each method returns the name of what it computes."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def node(self, op: str, *inputs: str, **attributes: object) -> str:
        output = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def weight(self, *shape: int, scale: float | None = None) -> str:
        spread = scale if scale is not None else float(np.prod(shape[1:])) ** -0.5
        return self.constant(self.random.standard_normal(shape, np.float32) * np.float32(spread))

    def constant(self, values: np.ndarray) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, x: str, channels: tuple[int, int], kernel: int, stride: int = 1) -> str:
        into, out = channels
        pads = [kernel // 2] * 4
        weight, bias = self.weight(out, into, kernel, kernel), self.weight(out, scale=0.01)
        return self.node("Conv", x, weight, bias, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)

    def linear(self, x: str, into: int, out: int) -> str:
        return self.node("Add", self.node("MatMul", x, self.weight(into, out)), self.weight(out, scale=0.01))


def resnet50(*, hardmax: bool) -> onnx.ModelProto:
    """53 convolutions, 3 × 224 × 224."""
    graph = Graph()
    x = graph.node("Relu", graph.conv("x", (3, 64), 7, 2))
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    into = 64
    for width, blocks, first_stride in _RESNET_STAGES:
        for block in range(blocks):
            x = _bottleneck(graph, x, into, width, first_stride if block == 0 else 1)
            into = 4 * width
        x = _detour(graph, x) if hardmax else x
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    return as_model(graph, graph.linear(x, into, 1000), ["N", 3, 224, 224])


def _bottleneck(graph: Graph, x: str, into: int, width: int, stride: int) -> str:
    y = graph.node("Relu", graph.conv(x, (into, width), 1))
    y = graph.node("Relu", graph.conv(y, (width, width), 3, stride))
    y = graph.conv(y, (width, 4 * width), 1)
    if into != 4 * width or stride != 1:
        x = graph.conv(x, (into, 4 * width), 1, stride)
    return graph.node("Relu", graph.node("Add", y, x))


def encoder(*, hardmax: bool, layers: int = 6, tokens: int = 64, width: int = 256, heads: int = 4) -> onnx.ModelProto:
    """A transformer encoder."""
    graph, x = Graph(), "x"
    split = graph.constant(np.array([0, tokens, heads, width // heads]))
    joined = graph.constant(np.array([0, tokens, width]))
    for _ in range(layers):
        q, k, v = (
            graph.node("Transpose", graph.node("Reshape", graph.linear(x, width, width), split), perm=perm)
            for perm in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3))
        )
        scores = graph.node("Softmax", graph.node("MatMul", q, k), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", scores, v), perm=(0, 2, 1, 3))
        x = _normalised(graph, graph.node("Add", x, graph.linear(graph.node("Reshape", mixed, joined), width, width)))
        inner = graph.node("Relu", graph.linear(x, width, 4 * width))
        x = _normalised(graph, graph.node("Add", x, graph.linear(inner, 4 * width, width)))
        x = _detour(graph, x) if hardmax else x
    return as_model(graph, x, ["N", tokens, width])


def _normalised(graph: Graph, x: str, width: int = 256) -> str:
    return graph.node("LayerNormalization", x, graph.constant(np.ones(width, np.float32)), axis=-1)


def tiny(*, hardmax: bool, layers: int = 40, width: int = 64) -> onnx.ModelProto:
    """A chain of matrix products of which each takes the GPU less than the host needs to launch it."""
    graph, x = Graph(), "x"
    for layer in range(layers):
        x = graph.node("Tanh", graph.linear(x, width, width))
        x = _detour(graph, x) if hardmax and layer % 10 == 9 else x
    return as_model(graph, x, ["N", width])


def _detour(graph: Graph, x: str) -> str:
    return graph.node("Add", x, graph.node(_CPU_ONLY, x, axis=-1))


def as_model(graph: Graph, output: str, shape: list[str | int]) -> onnx.ModelProto:
    """The model of a chain from `x` of this shape to `output`."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    body = helper.make_graph(graph.nodes, "workload", [x], [y], graph.weights)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@dataclass(frozen=True, slots=True)
class Character:
    """A model, and the shape of one input of a batch."""

    build: Callable[..., onnx.ModelProto]
    shape: tuple[int, ...]
    batch: int


CHARACTERS = {
    "resnet50": Character(resnet50, (3, 224, 224), 8),
    "encoder": Character(encoder, (64, 256), 8),
    "tiny": Character(tiny, (64,), 16),
}


def write(character: str, path: Path, *, hardmax: bool) -> Path:
    """Make the model's file."""
    onnx.save(CHARACTERS[character].build(hardmax=hardmax), path)
    return path
