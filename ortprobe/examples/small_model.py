"""The model of the examples: eight Conv and Relu, then two outputs, with the same weights every time."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPE = (4, 3, 96, 96)
"""Of the input `image`: batch, channels, height, width."""
CLASSES = 32
LAYERS = 8
OUTPUTS = ("embedding", "probability")


def write_model(channels: int = 64) -> Path:
    """Write the model to a temporary folder; inputs `image`, outputs `embedding` and `probability` (4 × 32 each).

    `channels` is the width of every layer: 64 keeps an H100 busy for about a millisecond, 8 suits a CPU.
    """
    generator = np.random.default_rng(0)
    nodes, weights = [], []
    last, width = "image", SHAPE[1]
    for layer in range(LAYERS):
        scale = (2.0 / (width * 9)) ** 0.5
        kernel = generator.normal(0.0, scale, (channels, width, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"kernel{layer}"))
        nodes.append(
            helper.make_node("Conv", [last, f"kernel{layer}"], [f"conv{layer}"], f"/conv{layer}", pads=[1] * 4)
        )
        nodes.append(helper.make_node("Relu", [f"conv{layer}"], [f"relu{layer}"], f"/relu{layer}"))
        last, width = f"relu{layer}", channels
    head = generator.normal(0.0, channels**-0.5, (channels, CLASSES)).astype(np.float32)
    weights.append(numpy_helper.from_array(head, "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"], "/pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], "/flatten"),
        helper.make_node("MatMul", ["features", "head"], ["embedding"], "/head"),
        helper.make_node("Softmax", ["embedding"], ["probability"], "/softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "eight-convolutions",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (SHAPE[0], CLASSES)) for name in OUTPUTS],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = Path(tempfile.mkdtemp(prefix="ortprobe-example-")) / "model.onnx"
    onnx.save(model, str(path))
    return path
