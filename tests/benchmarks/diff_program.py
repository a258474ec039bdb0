"""A loop around a chain of matrix products, to be traced again and again: as it is, or with 5 % more work.

    ortprobe trace --no-report tests/benchmarks/diff_program.py same | node | pace

`node` has 21 layers instead of 20; `pace` keeps the CPU busy between runs for 5 % of what a run and its surroundings
take. On CUDA where onnxruntime has it, else on one thread of the CPU.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import torch  # isort: skip  # before onnxruntime, which then finds CUDA's libraries
import onnxruntime

RUNS = 240
LAYERS = 20
WARM_UP = 40
"""Runs that trace watches; the pace is measured behind them."""
SIZES = {"cuda": (1024, 2048), "cpu": (64, 384)}
"""Rows and columns of what is multiplied."""


def chain(layers: int, rows: int, columns: int) -> bytes:
    """MatMul and Relu, one after another; weights are random and the same every time."""
    random = np.random.default_rng(0)
    nodes, weights, last = [], [], "x"
    for layer in range(layers):
        values = random.standard_normal((columns, columns), np.float32) * np.float32(columns**-0.5)
        weights.append(numpy_helper.from_array(values, f"weight_{layer}"))
        nodes.append(
            helper.make_node("MatMul", [last, f"weight_{layer}"], [f"product_{layer}"], name=f"matmul_{layer}")
        )
        last = "y" if layer == layers - 1 else f"relu_{layer}"
        nodes.append(helper.make_node("Relu", [f"product_{layer}"], [last], name=f"relu_{layer}"))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, columns]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def main(variant: str) -> None:
    """Run the loop."""
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    device = "cuda" if torch.cuda.is_available() and "CUDA" in str(onnxruntime.get_available_providers()) else "cpu"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    rows, columns = SIZES[device]
    model = chain(LAYERS + (variant == "node"), rows, columns)
    session = onnxruntime.InferenceSession(model, options, providers=[f"{device.upper()}ExecutionProvider"])
    binding = session.io_binding()
    feed = np.random.default_rng(1).standard_normal((rows, columns), np.float32)
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(feed, device, 0))
    binding.bind_output("y", device)
    rounds_s: list[float] = []
    for number in range(RUNS):
        begun_s = time.perf_counter()
        session.run_with_iobinding(binding)
        rounds_s.append(time.perf_counter() - begun_s)
        if variant == "pace" and number > WARM_UP:
            until_s = time.perf_counter() + 0.05 * float(np.median(rounds_s[WARM_UP:]))
            while time.perf_counter() < until_s:
                pass


if __name__ == "__main__":
    main(sys.argv[1])
