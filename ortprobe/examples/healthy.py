"""onnxruntime beside torch as it should be: one session, one stream that both know, every buffer bound once by name.

The stream's handle is passed when the session is created, so nothing is built twice. `wait_stream` orders the stream
behind the work that made the input, and torch's stream behind the run before the outputs are used; nothing waits on the
host. A first pass warms the session up before anything is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import onnxruntime
import torch

from ortprobe.examples.small_model import CLASSES, OUTPUTS, SHAPE, write_model

PASSES = 80


def main() -> None:
    """Run the passes and print what they took and how many outputs were wrong."""
    if torch.cuda.is_available() and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        run_on_gpu()
    else:
        print("no CUDA GPU: the same loop on the CPU")
        run_on_cpu()


def run_on_gpu() -> None:
    """One stream for the session and torch's copies, ordered with torch's default stream on both sides."""
    onnxruntime.preload_dlls()
    stream = torch.cuda.Stream()
    options = {"user_compute_stream": str(stream.cuda_stream), "cudnn_conv_algo_search": "HEURISTIC"}
    session = onnxruntime.InferenceSession(
        write_model(), providers=[("CUDAExecutionProvider", options), "CPUExecutionProvider"]
    )
    image, outputs, binding = bind(session, "cuda")
    batches = [torch.randn(SHAPE, device="cuda") for _ in range(PASSES)]
    matrix = torch.randn((2048, 2048), device="cuda")

    def one_pass(batch: torch.Tensor) -> torch.Tensor:
        matrix @ matrix  # other work of the application, queued before the copy
        image.copy_(batch)
        stream.wait_stream(torch.cuda.current_stream())
        session.run_with_iobinding(binding)
        torch.cuda.current_stream().wait_stream(stream)
        return outputs["embedding"].clone()

    measure(one_pass, batches)


def run_on_cpu() -> None:
    """The same loop on the CPU."""
    session = onnxruntime.InferenceSession(write_model(channels=8), providers=["CPUExecutionProvider"])
    image, outputs, binding = bind(session, "cpu")
    batches = [torch.randn(SHAPE) for _ in range(PASSES)]

    def one_pass(batch: torch.Tensor) -> torch.Tensor:
        image.copy_(batch)
        session.run_with_iobinding(binding)
        return outputs["embedding"].clone()

    measure(one_pass, batches)


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


def measure(one_pass: Callable[[torch.Tensor], torch.Tensor], batches: list[torch.Tensor]) -> None:
    """Warm up, time a pass for each batch, and check that another pass computes the same."""
    one_pass(batches[0])
    results, times_ms = [], []
    for batch in batches:
        start = time.perf_counter()
        results.append(one_pass(batch))
        times_ms.append(1e3 * (time.perf_counter() - start))
    expected = [one_pass(batch) for batch in batches]
    wrong = sum(
        not torch.allclose(result, right, rtol=1e-3, atol=1e-4) for result, right in zip(results, expected, strict=True)
    )
    print(f"{wrong} of {len(results)} outputs wrong, median pass {median(times_ms):.2f} ms")


if __name__ == "__main__":
    main()
