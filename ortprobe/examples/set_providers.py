"""A session that is given a torch stream after the fact, with `set_providers`.

The fault: `set_providers` does not change the session, it builds another one. The model is read, optimised and uploaded
again, everything that was bound belongs to the old session, every option that is not named again goes back to its
default, and the next run is a first run. The stream itself costs nothing: pass its handle when the session is created
(see the example healthy).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import onnxruntime
import torch

from ortprobe.examples.small_model import CLASSES, OUTPUTS, SHAPE, write_model

PASSES = 60


def main() -> None:
    """Run, call `set_providers`, run again, and print what each part took."""
    if torch.cuda.is_available() and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        run_on_gpu()
    else:
        print("no CUDA GPU: set_providers with the CPU, which builds the session again just the same")
        run_on_cpu()


def run_on_gpu() -> None:
    """First on onnxruntime's own stream, then on a stream of torch."""
    onnxruntime.preload_dlls()
    session = onnxruntime.InferenceSession(write_model(), providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    image, outputs, binding = bind(session, "cuda")
    batch = torch.randn(SHAPE, device="cuda")

    def synchronised_pass() -> None:
        image.copy_(batch)
        torch.cuda.current_stream().synchronize()
        session.run_with_iobinding(binding)
        outputs["embedding"].clone()

    before_ms = [milliseconds(synchronised_pass) for _ in range(PASSES)]

    stream = torch.cuda.Stream()
    options = {"user_compute_stream": str(stream.cuda_stream)}
    switch_ms = milliseconds(
        lambda: session.set_providers([("CUDAExecutionProvider", options), "CPUExecutionProvider"])
    )
    image, outputs, binding = bind(session, "cuda")

    def ordered_pass() -> None:
        image.copy_(batch)
        stream.wait_stream(torch.cuda.current_stream())
        session.run_with_iobinding(binding)
        torch.cuda.current_stream().wait_stream(stream)
        outputs["embedding"].clone()

    after_ms = [milliseconds(ordered_pass) for _ in range(PASSES)]
    report(before_ms, switch_ms, after_ms)


def run_on_cpu() -> None:
    """The same on the CPU, where `set_providers` names the provider the session already has."""
    session = onnxruntime.InferenceSession(write_model(channels=8), providers=["CPUExecutionProvider"])
    image, outputs, binding = bind(session, "cpu")
    batch = torch.randn(SHAPE)

    def one_pass() -> None:
        image.copy_(batch)
        session.run_with_iobinding(binding)
        outputs["embedding"].clone()

    before_ms = [milliseconds(one_pass) for _ in range(PASSES)]
    switch_ms = milliseconds(lambda: session.set_providers(["CPUExecutionProvider"]))
    image, outputs, binding = bind(session, "cpu")
    after_ms = [milliseconds(one_pass) for _ in range(PASSES)]
    report(before_ms, switch_ms, after_ms)


def bind(
    session: onnxruntime.InferenceSession, device: str
) -> tuple[torch.Tensor, dict[str, torch.Tensor], onnxruntime.IOBinding]:
    """Buffers for the input and every output, and a binding that knows them."""
    image = torch.empty(SHAPE, device=device)
    outputs = {name: torch.empty((SHAPE[0], CLASSES), device=device) for name in OUTPUTS}
    binding = session.io_binding()
    binding.bind_input("image", device, 0, np.float32, SHAPE, image.data_ptr())
    for name, tensor in outputs.items():
        binding.bind_output(name, device, 0, np.float32, tensor.shape, tensor.data_ptr())
    return image, outputs, binding


def milliseconds(call: Callable[[], None]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def report(before_ms: list[float], switch_ms: float, after_ms: list[float]) -> None:
    """Say what the passes and the switch took."""
    print(f"median pass before set_providers: {median(before_ms):.2f} ms")
    print(f"set_providers: {switch_ms:.1f} ms, first pass after it: {after_ms[0]:.2f} ms")
    print(f"median pass after set_providers: {median(after_ms):.2f} ms")


if __name__ == "__main__":
    main()
