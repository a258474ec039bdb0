"""The loop that looks right and is not: copy the input, run, clone the output, with nothing that waits for the copy.

The fault: `copy_` is queued on torch's default stream, behind whatever is already queued there, and returns at once.
onnxruntime runs on a stream of its own, which is not ordered with torch's default stream. So a run may read the input
before the copy has written it, and compute last round's result or half of each. Line `session.run_with_iobinding` is
where a wait is missing; `torch.cuda.current_stream().synchronize()` before it would do, one shared stream is better
(see the example healthy).
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch

from ortprobe.examples.small_model import CLASSES, OUTPUTS, SHAPE, write_model

PASSES = 80


def main() -> None:
    """Run the loop and count how many outputs were wrong."""
    if torch.cuda.is_available() and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        run_on_gpu()
    else:
        print("no CUDA GPU: the same loop on the CPU, where every call is complete when it returns: no race to see")
        run_on_cpu()


def run_on_gpu() -> None:
    """The loop as it is usually written, then the same with the wait that it lacks."""
    onnxruntime.preload_dlls()
    session = onnxruntime.InferenceSession(write_model(), providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    image = torch.empty(SHAPE, device="cuda")
    outputs = {name: torch.empty((SHAPE[0], CLASSES), device="cuda") for name in OUTPUTS}

    binding = session.io_binding()
    binding.bind_input("image", "cuda", 0, np.float32, SHAPE, image.data_ptr())
    for name, tensor in outputs.items():
        binding.bind_output(name, "cuda", 0, np.float32, tensor.shape, tensor.data_ptr())

    batches = [torch.randn(SHAPE, device="cuda") for _ in range(PASSES)]
    matrix = torch.randn((4096, 4096), device="cuda")
    results = []
    for batch in batches:
        matrix @ matrix  # other work of the application, queued before the copy
        image.copy_(batch)
        session.run_with_iobinding(binding)
        results.append(outputs["embedding"].clone())
    torch.cuda.synchronize()

    expected = []
    for batch in batches:
        image.copy_(batch)
        torch.cuda.current_stream().synchronize()  # what is missing above
        session.run_with_iobinding(binding)
        expected.append(outputs["embedding"].clone())
    report(results, expected)


def run_on_cpu() -> None:
    """The same loop where there is nothing to wait for."""
    session = onnxruntime.InferenceSession(write_model(channels=8), providers=["CPUExecutionProvider"])
    image = torch.empty(SHAPE)
    outputs = {name: torch.empty((SHAPE[0], CLASSES)) for name in OUTPUTS}

    binding = session.io_binding()
    binding.bind_input("image", "cpu", 0, np.float32, SHAPE, image.data_ptr())
    for name, tensor in outputs.items():
        binding.bind_output(name, "cpu", 0, np.float32, tensor.shape, tensor.data_ptr())

    batches = [torch.randn(SHAPE) for _ in range(PASSES)]
    results = []
    for batch in batches:
        image.copy_(batch)
        session.run_with_iobinding(binding)
        results.append(outputs["embedding"].clone())
    expected = [torch.from_numpy(session.run(["embedding"], {"image": batch.numpy()})[0]) for batch in batches]
    report(results, expected)


def report(results: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    """Say how many results differ from what they should be by more than the order of additions explains."""
    wrong = sum(
        not torch.allclose(result, right, rtol=1e-3, atol=1e-4) for result, right in zip(results, expected, strict=True)
    )
    print(f"{wrong} of {len(results)} outputs wrong")


if __name__ == "__main__":
    main()
