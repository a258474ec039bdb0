"""What a capture's hooks add to one `run` call: the same tiny model, plain, hooked, and plain again, in one process.

    python tests/benchmarks/run_call.py

Prints medians in µs for each execution provider that is there. Nothing but the hooks is attached.
"""

from __future__ import annotations

import statistics
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

import ortprobe
from ortprobe.bundle import Settings

RUNS = 4000
WARM_UP_RUNS = 500
HOOKS_ALONE = Settings(active_runs=0, torch_runs=0)


def tiny_model() -> bytes:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", value[:1], value[1:])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def median_run_us(model: bytes, provider: str) -> float:
    """The median of `RUNS` runs of a session of its own."""
    session = onnxruntime.InferenceSession(model, providers=[provider])
    feeds = {"x": np.zeros(4, np.float32)}
    times_ns = []
    for run in range(WARM_UP_RUNS + RUNS):
        start_ns = time.perf_counter_ns()
        session.run(None, feeds)
        if run >= WARM_UP_RUNS:
            times_ns.append(time.perf_counter_ns() - start_ns)
    return statistics.median(times_ns) / 1000


def main() -> None:
    model = tiny_model()
    wanted = ("CPUExecutionProvider", "CUDAExecutionProvider")
    for provider in [name for name in wanted if name in onnxruntime.get_available_providers()]:
        before = median_run_us(model, provider)
        with tempfile.TemporaryDirectory() as folder, ortprobe.trace(folder, settings=HOOKS_ALONE):
            hooked = median_run_us(model, provider)
        plain = (before + median_run_us(model, provider)) / 2
        print(f"{provider}: plain {plain:.1f} µs, hooked {hooked:.1f} µs, the hooks add {hooked - plain:.1f} µs")


if __name__ == "__main__":
    main()
