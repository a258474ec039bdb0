"""What the programs of race_programs.py share: the model, a session with bound buffers, and the right answers.

The model is a chain of matrix products that takes an H100 about half a millisecond; its output has the shape of its
input, so that one session can go on with what another gives. `Loop.busy` queues about three milliseconds of other work,
so that what lacks a wait comes too late and shows.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

DEVICE = "cuda"
SHAPE = (256, 2048)
LAYERS = 8
BUSY_SIDE = 4096
PATIENCE_S = 60.0
"""How long a thread waits for another, so that a failure in one ends the program."""

LOOPS_S: list[float] = []
"""How long each loop took that has finished, from when it had been made until nothing was in flight."""

Batches = list[torch.Tensor]
Results = list[torch.Tensor]


@dataclass(frozen=True, slots=True)
class Program:
    """One program: takes inputs on the GPU, gives an output for each of them."""

    run: Callable[[Batches], Results]
    expectation: str
    """`healthy`, or what is planted and the code of the rule that should find it."""
    models: int = 1
    """How many models an input goes through."""


class Loop:
    """A session of its own with bound buffers `x` and `y`, and the results of the rounds.

    With a stream, the session computes there; without one, on a stream of onnxruntime's own. A run returns when it is
    complete, or at once if it is `asynchronous`. Nothing is in flight when the loop has been made.
    """

    def __init__(self, stream: Any = None, *, asynchronous: bool = False, **cuda_options: str) -> None:
        if stream is not None:
            cuda_options["user_compute_stream"] = str(stream.cuda_stream)
        self.session = make_session(**cuda_options)
        self.options = onnxruntime.RunOptions()
        if asynchronous:
            self.options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self.x = torch.zeros(SHAPE, device=DEVICE)
        self.y = torch.zeros(SHAPE, device=DEVICE)
        self.binding = self.bind(self.x, self.y)
        self.results: Results = []
        self.matrix = torch.randn((BUSY_SIDE, BUSY_SIDE), device=DEVICE)
        torch.cuda.synchronize()
        self.begun_s = time.perf_counter()

    def bind(self, x: torch.Tensor, y: torch.Tensor) -> onnxruntime.IOBinding:
        """A new binding of these buffers."""
        binding = self.session.io_binding()
        bind_input(binding, x)
        binding.bind_output("y", DEVICE, 0, np.float32, SHAPE, y.data_ptr())
        return binding

    def busy(self) -> None:
        """Queue other work of the application on torch's current stream."""
        self.matrix @ self.matrix

    def run(self, binding: onnxruntime.IOBinding | None = None) -> None:
        """Run on the bound buffers."""
        self.session.run_with_iobinding(binding or self.binding, self.options)

    def keep(self, y: torch.Tensor | None = None) -> None:
        """Queue a copy of the output on torch's current stream; it is looked at after the loop."""
        self.results.append((self.y if y is None else y).clone())

    def finish(self) -> Results:
        """The results, once nothing is in flight: buffers and session may go."""
        torch.cuda.synchronize()
        LOOPS_S.append(time.perf_counter() - self.begun_s)
        return self.results


def bind_input(binding: onnxruntime.IOBinding, x: torch.Tensor) -> None:
    """Bind the input to this tensor's memory."""
    binding.bind_input("x", DEVICE, 0, np.float32, SHAPE, x.data_ptr())


def make_session(**cuda_options: str) -> onnxruntime.InferenceSession:
    """A session on the GPU; it multiplies in full precision, so that right answers differ by rounding alone."""
    options = {"use_tf32": "0", **cuda_options}
    session = onnxruntime.InferenceSession(
        write_model(), providers=[("CUDAExecutionProvider", options), "CPUExecutionProvider"]
    )
    assert DEVICE != "cuda" or "CUDAExecutionProvider" in session.get_providers()
    return session


@functools.cache
def write_model() -> Path:
    """Write the model to a temporary folder; input `x`, output `y`, the same weights in each of the layers."""
    width = SHAPE[1]
    weight = np.random.default_rng(0).normal(0.0, 1.2 * width**-0.5, (width, width)).astype(np.float32)
    nodes, last = [], "x"
    for layer in range(LAYERS):
        output = "y" if layer == LAYERS - 1 else f"tanh{layer}"
        nodes.append(helper.make_node("MatMul", [last, "weight"], [f"product{layer}"], f"/product{layer}"))
        nodes.append(helper.make_node("Tanh", [f"product{layer}"], [output], f"/tanh{layer}"))
        last = output
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "chain", values[:1], values[1:], [numpy_helper.from_array(weight, "weight")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = Path(tempfile.mkdtemp(prefix="ortprobe-races-")) / "model.onnx"
    onnx.save(model, str(path))
    return path


def make_batches(rounds: int) -> Batches:
    """A different input for each round, on the GPU and complete."""
    generator = np.random.default_rng(1)
    arrays = [generator.standard_normal(SHAPE, np.float32) for _ in range(rounds)]
    batches = [torch.from_numpy(array).to(DEVICE) for array in arrays]
    torch.cuda.synchronize()
    return batches


def references(batches: Batches, models: int) -> Results:
    """What is right for each input: host memory to host memory, in a session of its own, one call after the other."""
    session = make_session()
    expected = []
    for batch in batches:
        values = batch.cpu().numpy()
        for _ in range(models):
            (values,) = session.run(["y"], {"x": values})
        expected.append(torch.from_numpy(values))
    return expected


def count_wrong(results: Results, expected: Results) -> int:
    """How many results differ by more than the order of additions explains."""
    torch.cuda.synchronize()
    return sum(
        not torch.allclose(result.cpu(), right, rtol=1e-3, atol=1e-3)
        for result, right in zip(results, expected, strict=True)
    )


class Handover:
    """A thread that makes inputs one after the other, and two queues: what is ready, and that it has been used."""

    def __init__(self, produce: Callable[[torch.Tensor], object], batches: Batches) -> None:
        self._produce, self._batches = produce, batches
        self._ready: Queue[object] = Queue()
        self._used: Queue[None] = Queue()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def take(self) -> Any:
        """What the thread made for the next round."""
        return self._ready.get(timeout=PATIENCE_S)

    def used(self) -> None:
        """The thread may make the next one."""
        self._used.put(None)

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join(PATIENCE_S)

    def _work(self) -> None:
        for batch in self._batches:
            self._ready.put(self._produce(batch))
            self._used.get(timeout=PATIENCE_S)
