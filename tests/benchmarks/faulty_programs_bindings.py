"""Programs with one fault each in how they keep sessions, name options and bind buffers; and near misses of each.

    python tests/benchmarks/faulty_programs_bindings.py NAME         # on a GPU
    ortprobe trace tests/benchmarks/faulty_programs_bindings.py NAME

A program whose name begins with a rule's code and ends with `fault` has that fault; the one with `near` has it not.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch  # isort: skip
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from race_loop import DEVICE, SHAPE, bind_input, make_batches, make_session, write_model

ROUNDS = 40
TINY = (16, 64)
"""Shape of the model of one node, whose run is over as soon as it was launched."""
PROVIDERS = [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]

PROGRAMS: dict[str, Callable[[], None]] = {}


def program(run: Callable[[], None]) -> Callable[[], None]:
    """Register a program by its name."""
    PROGRAMS[run.__name__] = run
    return run


def on_device() -> tuple[torch.Tensor, torch.Tensor]:
    """An input and an output of the model in the GPU's memory."""
    x, y = torch.zeros(SHAPE, device=DEVICE), torch.zeros(SHAPE, device=DEVICE)
    torch.cuda.synchronize()
    return x, y


def host_batches() -> list[np.ndarray]:
    """Inputs that were never on the GPU."""
    generator = np.random.default_rng(2)
    return [generator.standard_normal(SHAPE, np.float32) for _ in range(ROUNDS)]


def bound_to(session: onnxruntime.InferenceSession, x: torch.Tensor, y: torch.Tensor) -> onnxruntime.IOBinding:
    binding = session.io_binding()
    bind_input(binding, x)
    binding.bind_output("y", DEVICE, 0, np.float32, SHAPE, y.data_ptr())
    return binding


def make_tiny() -> onnxruntime.InferenceSession:
    """A session of one Tanh."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, TINY) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Tanh", ["x"], ["y"], "/tanh")], "tiny", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = Path(tempfile.mkdtemp(prefix="ortprobe-tiny-")) / "tiny.onnx"
    onnx.save(model, str(path))
    return onnxruntime.InferenceSession(str(path), providers=PROVIDERS)


@program
def s6_fault() -> None:
    """The model is loaded again now and then, and every session before is kept."""
    kept = []
    for _ in range(4):
        kept.append(make_session())
        binding = bound_to(kept[-1], *(buffers := on_device()))
        for _ in range(8):
            kept[-1].run_with_iobinding(binding)
    del buffers


@program
def s6_near() -> None:
    """Two sessions of one model, both made at the start, both used to the end."""
    sessions = [make_session(), make_session()]
    buffers = [on_device() for _ in sessions]
    bindings = [bound_to(session, *pair) for session, pair in zip(sessions, buffers, strict=True)]
    for number in range(ROUNDS):
        sessions[number % 2].run_with_iobinding(bindings[number % 2])


@program
def y8_fault() -> None:
    """Two keys that nearly are keys of ORT's, which takes them without a word."""
    run_in_order("session.intra_op.allow_spining", "disable_synchronize_execution_provider")


@program
def y8_near() -> None:
    """The same keys, spelt as ORT spells them."""
    run_in_order("session.intra_op.allow_spinning", "disable_synchronize_execution_providers")


def run_in_order(session_key: str, run_key: str) -> None:
    session_options, run_options = onnxruntime.SessionOptions(), onnxruntime.RunOptions()
    session_options.add_session_config_entry(session_key, "0")
    run_options.add_run_config_entry(run_key, "1")
    stream = torch.cuda.Stream()
    cuda = {"user_compute_stream": str(stream.cuda_stream)}
    session = onnxruntime.InferenceSession(
        str(write_model()), session_options, providers=[("CUDAExecutionProvider", cuda), "CPUExecutionProvider"]
    )
    with torch.cuda.stream(stream):
        x, y = torch.zeros(SHAPE, device=DEVICE), torch.zeros(SHAPE, device=DEVICE)
        binding = bound_to(session, x, y)
        for _ in range(ROUNDS):
            session.run_with_iobinding(binding, run_options)
            y.clone()
        stream.synchronize()


@program
def b2_fault() -> None:
    """A host array is bound once and then written to: the runs go on with what it held first."""
    session = make_tiny()
    array, binding = np.zeros(TINY, np.float32), session.io_binding()
    binding.bind_cpu_input("x", array)
    binding.bind_output("y", DEVICE)
    for number in range(ROUNDS):
        array[:] = number
        session.run_with_iobinding(binding)
        binding.copy_outputs_to_cpu()


@program
def b2_near() -> None:
    """The array is bound again each time that it was written to."""
    session = make_tiny()
    array, binding = np.zeros(TINY, np.float32), session.io_binding()
    binding.bind_output("y", DEVICE)
    for number in range(ROUNDS):
        array[:] = number
        binding.bind_cpu_input("x", array)
        session.run_with_iobinding(binding)
        binding.copy_outputs_to_cpu()


@program
def b3_fault() -> None:
    """The output is bound without a device, and what ORT copied to the host goes back to the GPU."""
    session, (x, _) = make_session(), on_device()
    binding, results = session.io_binding(), []
    bind_input(binding, x)
    binding.bind_output("y")
    for _ in range(ROUNDS):
        session.run_with_iobinding(binding)
        results.append(torch.from_numpy(binding.get_outputs()[0].numpy()).to(DEVICE) * 2)
    torch.cuda.synchronize()


@program
def b3_near() -> None:
    """The output is wanted on the GPU and is bound there."""
    session, (x, y) = make_session(), on_device()
    binding, results = bound_to(session, x, y), []
    for _ in range(ROUNDS):
        session.run_with_iobinding(binding)
        results.append(y * 2)
        torch.cuda.current_stream().synchronize()


@program
def b5_fault() -> None:
    """A tensor of half precision is bound as one of single precision: no error, and numbers without meaning."""
    session, (_, y) = make_session(), on_device()
    x = torch.ones((2 * SHAPE[0], SHAPE[1]), dtype=torch.float16, device=DEVICE)
    torch.cuda.synchronize()
    binding = bound_to(session, x, y)
    for _ in range(ROUNDS):
        session.run_with_iobinding(binding)
    torch.cuda.synchronize()


@program
def b5_near() -> None:
    """One half of a larger tensor of the right type, bound from its middle."""
    session, (_, y) = make_session(), on_device()
    both = torch.ones((2 * SHAPE[0], SHAPE[1]), device=DEVICE)
    torch.cuda.synchronize()
    binding = bound_to(session, both[SHAPE[0] :], y)
    for _ in range(ROUNDS):
        session.run_with_iobinding(binding)
    torch.cuda.synchronize()


@program
def b6_fault() -> None:
    """torch's tensors go through the host into `run`, and its answer through the host back to torch."""
    session, batches, results = make_session(), make_batches(ROUNDS), []
    for batch in batches:
        (answer,) = session.run(["y"], {"x": batch.cpu().numpy()})
        results.append(torch.from_numpy(answer).cuda() * 2)
    torch.cuda.synchronize()


@program
def b6_near() -> None:
    """Arrays of the host, and the answer stays there."""
    session = make_session()
    for batch in host_batches():
        (answer,) = session.run(["y"], {"x": batch})
        answer.sum()


@program
def b7_fault() -> None:
    """The same two buffers are bound in every round."""
    session = make_tiny()
    x, y = torch.zeros(TINY, device=DEVICE), torch.zeros(TINY, device=DEVICE)
    torch.cuda.synchronize()
    binding = session.io_binding()
    for _ in range(ROUNDS):
        binding.bind_input("x", DEVICE, 0, np.float32, TINY, x.data_ptr())
        binding.bind_output("y", DEVICE, 0, np.float32, TINY, y.data_ptr())
        session.run_with_iobinding(binding)


@program
def b7_near() -> None:
    """Two pairs of buffers in turns."""
    session = make_tiny()
    pairs = [(torch.zeros(TINY, device=DEVICE), torch.zeros(TINY, device=DEVICE)) for _ in range(2)]
    torch.cuda.synchronize()
    binding = session.io_binding()
    for number in range(ROUNDS):
        x, y = pairs[number % 2]
        binding.bind_input("x", DEVICE, 0, np.float32, TINY, x.data_ptr())
        binding.bind_output("y", DEVICE, 0, np.float32, TINY, y.data_ptr())
        session.run_with_iobinding(binding)


@program
def b8_fault() -> None:
    """Inputs come from pageable memory and outputs go there, in every round."""
    copy_in_and_out(pinned=False)


@program
def b8_near() -> None:
    """The same with pinned memory, and one wait a round."""
    copy_in_and_out(pinned=True)


def copy_in_and_out(*, pinned: bool) -> None:
    stream = torch.cuda.Stream()
    session = make_session(user_compute_stream=str(stream.cuda_stream))
    with torch.cuda.stream(stream):
        x, y = torch.zeros(SHAPE, device=DEVICE), torch.zeros(SHAPE, device=DEVICE)
        given, taken = torch.randn(SHAPE, pin_memory=pinned), torch.empty(SHAPE, pin_memory=pinned)
        binding = bound_to(session, x, y)
        for _ in range(ROUNDS):
            x.copy_(given, non_blocking=pinned)
            session.run_with_iobinding(binding)
            taken.copy_(y, non_blocking=pinned)
            stream.synchronize()


if __name__ == "__main__":
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    torch.cuda.init()
    PROGRAMS[sys.argv[1]]()
