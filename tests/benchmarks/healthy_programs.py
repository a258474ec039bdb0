"""Ten programs of different kinds without a fault. What a rule finds in one of them is a false alarm.

    python tests/benchmarks/healthy_programs.py NAME              # on a GPU where there is one, on the CPU otherwise
    ortprobe trace tests/benchmarks/healthy_programs.py NAME

Each has 64 rounds or more, warms up before them, and checks what it computes against numpy.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import onnx

import torch  # isort: skip
import onnxruntime as ort
from healthy_models import WIDTH, branching, chain, expected_of_branching, expected_of_chain

ROUNDS = 64
BATCH = 16
BUCKETS = (8, 16, 32)
IN_FLIGHT = 2
GPU = torch.cuda.is_available() and "CUDAExecutionProvider" in ort.get_available_providers()
DEVICE = "cuda" if GPU else "cpu"

PROGRAMS: dict[str, Callable[[], None]] = {}


def program(run: Callable[[], None]) -> Callable[[], None]:
    """Register a program by its name."""
    PROGRAMS[run.__name__] = run
    return run


class Session:
    """A session on the GPU, on a stream that torch knows, or on the CPU, and how to bind to it."""

    def __init__(
        self, model: onnx.ModelProto, *, gpu: bool = GPU, threads: int = 1, stream: Any = None, **cuda_options: str
    ) -> None:
        path = Path(tempfile.mkdtemp(prefix="ortprobe-healthy-")) / "model.onnx"
        onnx.save(model, path)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.stream = (stream or torch.cuda.Stream()) if gpu else None
        providers: list[Any] = ["CPUExecutionProvider"]
        if self.stream is not None:
            cuda = {"user_compute_stream": str(self.stream.cuda_stream), "cudnn_conv_algo_search": "HEURISTIC"}
            providers.insert(0, ("CUDAExecutionProvider", cuda | cuda_options))
        self.ort = ort.InferenceSession(path, options, providers=providers)
        self.names = self.ort.get_inputs()[0].name, self.ort.get_outputs()[0].name

    def bind(self, x: torch.Tensor, y: torch.Tensor) -> ort.IOBinding:
        """A binding of these buffers as the input and the output."""
        binding = self.ort.io_binding()
        binding.bind_input(self.names[0], DEVICE, 0, np.float32, tuple(x.shape), x.data_ptr())
        binding.bind_output(self.names[1], DEVICE, 0, np.float32, tuple(y.shape), y.data_ptr())
        return binding

    def on_stream(self) -> AbstractContextManager[Any]:
        """torch's work inside is on the session's stream."""
        return torch.cuda.stream(self.stream) if self.stream is not None else nullcontext()

    def after_torch(self) -> None:
        """What runs from here on comes after torch's work so far."""
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream())

    def before_torch(self) -> None:
        """torch's work from here on comes after the runs so far."""
        if self.stream is not None:
            torch.cuda.current_stream().wait_stream(self.stream)


def batches(rows: int = BATCH, rounds: int = ROUNDS) -> list[np.ndarray]:
    """Inputs, the same every time."""
    random = np.random.default_rng(0)
    return [random.standard_normal((rows, WIDTH), np.float32) for _ in range(rounds)]


def on_device(inputs: list[np.ndarray]) -> list[torch.Tensor]:
    """The same on the device, complete for every stream."""
    tensors = [torch.from_numpy(batch).to(DEVICE) for batch in inputs]
    if GPU:
        torch.cuda.synchronize()
    return tensors


def buffer(rows: int = BATCH) -> torch.Tensor:
    """Memory for an input or an output, filled before anybody uses it: on the default stream, which others don't wait
    for."""
    made = torch.zeros((rows, WIDTH), device=DEVICE)
    if GPU:
        torch.cuda.synchronize()
    return made


def check(results: list[Any], expected: list[np.ndarray]) -> None:
    """Fail where a result is wrong."""
    assert len(results) == len(expected) >= ROUNDS
    for result, right in zip(results, expected, strict=True):
        value = result.cpu().numpy() if isinstance(result, torch.Tensor) else np.asarray(result)
        np.testing.assert_allclose(value, right, rtol=1e-2, atol=1e-2)


@program
def user_stream() -> None:
    """Copy, run and clone, each stream made to wait for the other; every buffer is bound once."""
    session, x, y = Session(chain(1)), buffer(), buffer()
    binding = session.bind(x, y)
    inputs = on_device(batches())

    def one_round(batch: torch.Tensor) -> torch.Tensor:
        x.copy_(batch)
        session.after_torch()
        session.ort.run_with_iobinding(binding)
        session.before_torch()
        return y.clone()

    one_round(inputs[0])
    results = [one_round(batch) for batch in inputs]
    check(results, [expected_of_chain(1, batch) for batch in batches()])


@program
def numpy_service() -> None:
    """A service without torch or a GPU: a request is a batch of numpy's, and one thread answers them in turn."""
    session = Session(chain(2), gpu=False)
    inputs = batches()
    session.ort.run(None, {"x": inputs[0]})
    results = [session.ort.run(None, {"x": batch})[0] for batch in inputs]
    check(results, [expected_of_chain(2, batch) for batch in inputs])


@program
def thread_pool() -> None:
    """Two workers, each with a session, a stream and buffers of its own."""
    inputs = on_device(batches())
    free: Queue[tuple[Session, torch.Tensor, torch.Tensor, ort.IOBinding]] = Queue()
    for seed in (3, 3):
        session, x, y = Session(chain(seed)), buffer(), buffer()
        free.put((session, x, y, session.bind(x, y)))

    def answer(batch: torch.Tensor) -> torch.Tensor:
        session, x, y, binding = worker = free.get()
        with session.on_stream():
            x.copy_(batch)
            session.ort.run_with_iobinding(binding)
            result = y.clone()
            if session.stream is not None:
                session.stream.synchronize()
        free.put(worker)
        return result

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(answer, inputs[:2]))
        results = list(pool.map(answer, inputs))
    check(results, [expected_of_chain(3, batch) for batch in batches()])


@program
def two_sessions() -> None:
    """One model's output is the next one's input, in memory that both have bound, on one stream."""
    first = Session(chain(4))
    second = Session(chain(5), stream=first.stream)
    x, between, y = buffer(), buffer(), buffer()
    into, out = first.bind(x, between), second.bind(between, y)
    inputs = on_device(batches())

    def one_round(batch: torch.Tensor) -> torch.Tensor:
        x.copy_(batch)
        first.ort.run_with_iobinding(into)
        second.ort.run_with_iobinding(out)
        return y.clone()

    with first.on_stream():
        one_round(inputs[0])
        results = [one_round(batch) for batch in inputs]
    check(results, [expected_of_chain(5, expected_of_chain(4, batch)) for batch in batches()])


@program
def cuda_graph() -> None:
    """A CUDA graph is captured by the first run and replayed by all others, from buffers that stay where they are."""
    session, x, y = Session(chain(6), enable_cuda_graph="1"), buffer(), buffer()
    binding = session.bind(x, y)
    inputs = on_device(batches())

    def one_round(batch: torch.Tensor) -> torch.Tensor:
        x.copy_(batch)
        session.ort.run_with_iobinding(binding)
        return y.clone()

    with session.on_stream():
        one_round(inputs[0])
        results = [one_round(batch) for batch in inputs]
    check(results, [expected_of_chain(6, batch) for batch in batches()])


@program
def shape_buckets() -> None:
    """Batches of any size are padded to one of three, for each of which there are buffers, and a run before the first
    request."""
    session = Session(chain(7))
    bound = {rows: (buffer(rows), buffer(rows)) for rows in BUCKETS}
    bindings = {rows: session.bind(x, y) for rows, (x, y) in bound.items()}
    random = np.random.default_rng(1)
    inputs = [random.standard_normal((int(rows), WIDTH), np.float32) for rows in random.integers(1, 33, ROUNDS)]
    tensors = on_device(inputs)

    def one_round(batch: torch.Tensor) -> torch.Tensor:
        rows = next(size for size in BUCKETS if size >= len(batch))
        x, y = bound[rows]
        x[: len(batch)].copy_(batch)
        session.ort.run_with_iobinding(bindings[rows])
        return y[: len(batch)].clone()

    with session.on_stream():
        for rows in BUCKETS:
            session.ort.run_with_iobinding(bindings[rows])
        results = [one_round(batch) for batch in tensors]
    check(results, [expected_of_chain(7, batch) for batch in inputs])


@program
def torch_before_and_after() -> None:
    """torch scales the input and takes the softmax of the output, on the session's stream."""
    session, x, y = Session(chain(8)), buffer(), buffer()
    binding = session.bind(x, y)
    inputs = on_device(batches())

    def one_round(batch: torch.Tensor) -> torch.Tensor:
        torch.mul(batch, 0.5, out=x)
        session.ort.run_with_iobinding(binding)
        return torch.softmax(y, -1)

    with session.on_stream():
        one_round(inputs[0])
        results = [one_round(batch) for batch in inputs]
    outputs = [torch.from_numpy(expected_of_chain(8, 0.5 * batch)) for batch in batches()]
    check(results, [torch.softmax(output, -1).numpy() for output in outputs])


@program
def subgraphs() -> None:
    """A model with a branch that the data chooses: every other batch goes the other way."""
    session, x, y = Session(branching(9)), buffer(), buffer()
    binding = session.bind(x, y)
    inputs = [np.abs(batch) if turn % 2 else -np.abs(batch) for turn, batch in enumerate(batches())]
    tensors = on_device(inputs)

    def one_round(batch: torch.Tensor) -> torch.Tensor:
        x.copy_(batch)
        session.ort.run_with_iobinding(binding)
        return y.clone()

    with session.on_stream():
        for batch in tensors[:2]:
            one_round(batch)
        results = [one_round(batch) for batch in tensors]
    check(results, [expected_of_branching(9, batch) for batch in inputs])


@program
def async_runs() -> None:
    """`run_async` with two runs in flight at most, on a pool of two threads; the callback hands the result over."""
    session, done = Session(chain(10), gpu=False, threads=2), Queue[tuple[int, Any, str]]()
    inputs, results = batches(), dict[int, np.ndarray]()

    def finished(outputs: Any, number: int, error: str) -> None:
        done.put((number, outputs, error))

    def take() -> None:
        number, outputs, error = done.get(timeout=60)
        assert not error, error
        results[number] = outputs[0]

    session.ort.run(None, {"x": inputs[0]})
    for number, batch in enumerate(inputs):
        if number >= IN_FLIGHT:
            take()
        session.ort.run_async(None, {"x": batch}, finished, number)
    for _ in range(IN_FLIGHT):
        take()
    check([results[number] for number in range(len(inputs))], [expected_of_chain(10, batch) for batch in inputs])


@program
def dlpack() -> None:
    """Two OrtValues in turn as outputs, taken as tensors by DLPack once torch's stream waits for the run."""
    session, x = Session(chain(11)), buffer()
    values = [ort.OrtValue.ortvalue_from_shape_and_type((BATCH, WIDTH), np.float32, DEVICE, 0) for _ in range(2)]
    bindings = [session.bind(x, x) for _ in values]
    for binding, value in zip(bindings, values, strict=True):
        binding.clear_binding_outputs()
        binding.bind_ortvalue_output(session.names[1], value)
    inputs = on_device(batches())
    turns = itertools.cycle(zip(bindings, values, strict=True))

    def one_round(batch: torch.Tensor) -> torch.Tensor:
        binding, value = next(turns)
        x.copy_(batch)
        session.after_torch()
        session.ort.run_with_iobinding(binding)
        session.before_torch()
        return torch.utils.dlpack.from_dlpack(value).clone()

    one_round(inputs[0])
    results = [one_round(batch) for batch in inputs]
    check(results, [expected_of_chain(11, batch) for batch in batches()])


if __name__ == "__main__":
    if GPU and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    for name in sys.argv[1:]:
        PROGRAMS[name]()
