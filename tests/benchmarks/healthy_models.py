"""Models of the healthy programs, and what they compute by numpy. Weights follow from a number."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 128
LAYERS = 6
_SHAPE = ("N", WIDTH)


def _weights(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.standard_normal((WIDTH, WIDTH), np.float32) * np.float32(WIDTH**-0.5) for _ in range(LAYERS)]


def _layers(x: str, seed: int, prefix: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], str]:
    """(nodes, weights, what they compute): matrix products with a tangent behind each."""
    nodes, weights = [], []
    for layer, values in enumerate(_weights(seed)):
        weights.append(numpy_helper.from_array(values, f"{prefix}w{layer}"))
        nodes.append(helper.make_node("MatMul", [x, f"{prefix}w{layer}"], [f"{prefix}m{layer}"], f"{prefix}m{layer}"))
        nodes.append(helper.make_node("Tanh", [f"{prefix}m{layer}"], [f"{prefix}t{layer}"], f"{prefix}t{layer}"))
        x = f"{prefix}t{layer}"
    return nodes, weights, x


def chain(seed: int) -> onnx.ModelProto:
    """`x` [N, WIDTH] through all layers."""
    nodes, weights, y = _layers("x", seed, "")
    return _model(nodes, weights, y)


def expected_of_chain(seed: int, x: np.ndarray) -> np.ndarray:
    """What `chain(seed)` computes."""
    for values in _weights(seed):
        x = np.tanh(x @ values)
    return x


def branching(seed: int) -> onnx.ModelProto:
    """The layers of `seed` where the sum of `x` is above zero, those of the next number where it is not."""
    bodies = {}
    for branch, number in (("then_branch", seed), ("else_branch", seed + 1)):
        nodes, weights, y = _layers("x", number, f"{branch}_")
        output = helper.make_tensor_value_info(y, TensorProto.FLOAT, _SHAPE)
        bodies[branch] = helper.make_graph(nodes, branch, [], [output], weights)
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], "total", keepdims=0),
        helper.make_node("Greater", ["total", "zero"], ["above"], "above"),
        helper.make_node("If", ["above"], ["y"], "choose", **bodies),
    ]
    return _model(nodes, [numpy_helper.from_array(np.float32(0), "zero")], "y")


def expected_of_branching(seed: int, x: np.ndarray) -> np.ndarray:
    """What `branching(seed)` computes."""
    return expected_of_chain(seed if x.sum() > 0 else seed + 1, x)


def _model(nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], output: str) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, _SHAPE)
    y = helper.make_tensor_value_info(output, TensorProto.FLOAT, _SHAPE)
    graph = helper.make_graph(nodes, "healthy", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
