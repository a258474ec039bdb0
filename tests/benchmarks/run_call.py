"""What a capture costs a run: the same session through the hook and past it, in turns, in one process.

    python tests/benchmarks/run_call.py [MODEL.onnx INPUT=N,C,…]     a model runs on CUDA alone

Prints medians in µs for each execution provider that is there: without a capture, with the hooks alone, and after a
window of torch's profiler has closed. Without a model it is one that does next to nothing, so that the ratio is the
worst there is; what the hooks add is the same for any model but for caches that a longer run leaves colder.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

import ortprobe
from ortprobe.bundle import Settings

BLOCKS = 40
RUNS_IN_BLOCK = 50
WARM_UP_RUNS = 200
HOOKS_ALONE = Settings(active_runs=0, torch_runs=0, windows=0)
ONE_WINDOW = Settings(active_runs=20, torch_runs=20)


def tiny_model() -> bytes:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", value[:1], value[1:])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def bound_session(model: bytes | str, feeds: dict[str, np.ndarray], provider: str) -> Callable[[Callable], None]:
    """A session with everything bound to its device; called with one of the two functions, it runs once."""
    session = onnxruntime.InferenceSession(model, providers=[provider])
    device = "cuda" if session.get_providers()[0].startswith("CUDA") else "cpu"
    binding = session.io_binding()
    for name, feed in feeds.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(feed, device, 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, device)
    for _ in range(WARM_UP_RUNS):
        session.run_with_iobinding(binding)
    return lambda function: function(session, binding)


def measure(run: Callable[[Callable], None]) -> str:
    hooked = onnxruntime.InferenceSession.run_with_iobinding
    functions = {"past": getattr(hooked, "__wrapped__", hooked), "through": hooked}
    times_ns: dict[str, list[int]] = {name: [] for name in functions}
    for _ in range(BLOCKS):
        for name, function in functions.items():
            for _ in range(RUNS_IN_BLOCK):
                start_ns = time.perf_counter_ns()
                run(function)
                times_ns[name].append(time.perf_counter_ns() - start_ns)
    past, through = (statistics.median(times_ns[name]) / 1000 for name in functions)
    added = through - past
    return f"past the hook {past:.1f} µs, through it {through:.1f} µs: adds {added:.1f} µs, ratio {through / past:.3f}"


def main() -> None:
    import torch  # noqa: F401 - without it there is no window

    model: bytes | str = tiny_model()
    feeds = {"x": np.zeros(4, np.float32)}
    wanted: tuple[str, ...] = ("CPUExecutionProvider", "CUDAExecutionProvider")
    if len(sys.argv) > 2:
        name, _, shape = sys.argv[2].partition("=")
        model, feeds = sys.argv[1], {name: np.zeros([int(size) for size in shape.split(",")], np.float32)}
        wanted = ("CUDAExecutionProvider",)
    for provider in [name for name in wanted if name in onnxruntime.get_available_providers()]:
        print(f"{provider}, without a capture: {measure(bound_session(model, feeds, provider))}")
        for label, settings in (("hooks alone", HOOKS_ALONE), ("after a window", ONE_WINDOW)):
            with tempfile.TemporaryDirectory() as folder, ortprobe.trace(folder, settings=settings):
                print(f"{provider}, {label}: {measure(bound_session(model, feeds, provider))}", flush=True)


if __name__ == "__main__":
    main()
