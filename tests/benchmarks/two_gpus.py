"""onnxruntime beside torch on two GPUs, as it should be: every input, run and output ordered by streams.

    python tests/benchmarks/two_gpus.py turns       one thread, one GPU after the other, with copies between them
    python tests/benchmarks/two_gpus.py threads     a thread for each GPU
    python tests/benchmarks/two_gpus.py processes   a second process for the second GPU, and a forked one without GPU
    python tests/benchmarks/two_gpus.py hidden      the second process sees the second GPU alone, as its device 0
    python tests/benchmarks/two_gpus.py shared      two processes on the first GPU, where there is one alone
    python tests/benchmarks/two_gpus.py one         one process on the first GPU

It runs under `ortprobe trace --no-report` and `ortprobe nsys --run`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from threading import Thread

import numpy as np
import nvtx
import onnxruntime
import torch

from ortprobe.examples.small_model import CLASSES, OUTPUTS, SHAPE, write_model

ROUNDS = 20
CHANNELS = 16


class OnOneGpu:
    """A session with bound buffers on one GPU, and a stream that it and torch know."""

    def __init__(self, device: int) -> None:
        self.device = torch.device("cuda", device)
        self.stream = torch.cuda.Stream(self.device)
        options = {
            "device_id": str(device),
            "user_compute_stream": str(self.stream.cuda_stream),
            "cudnn_conv_algo_search": "HEURISTIC",
        }
        self.session = onnxruntime.InferenceSession(
            write_model(CHANNELS), providers=[("CUDAExecutionProvider", options), "CPUExecutionProvider"]
        )
        self.image = torch.empty(SHAPE, device=self.device)
        self.outputs = {name: torch.empty((SHAPE[0], CLASSES), device=self.device) for name in OUTPUTS}
        self.binding = self.session.io_binding()
        self.binding.bind_input("image", "cuda", device, np.float32, SHAPE, self.image.data_ptr())
        for name, tensor in self.outputs.items():
            self.binding.bind_output(name, "cuda", device, np.float32, tensor.shape, tensor.data_ptr())

    def one_pass(self, batch: torch.Tensor) -> torch.Tensor:
        """The batch may lie on the other GPU: torch orders copies between GPUs with the current streams of both."""
        with torch.cuda.device(self.device), nvtx.annotate("pass", domain="two_gpus"):
            self.image.copy_(batch)
            self.stream.wait_stream(torch.cuda.current_stream(self.device))
            self.session.run_with_iobinding(self.binding)
        # A run leaves its own GPU as the thread's current one.
        with torch.cuda.device(self.device):
            torch.cuda.current_stream(self.device).wait_stream(self.stream)
            return self.outputs["embedding"].clone()


def turns() -> None:
    """What the first GPU got is copied to the second one."""
    first, second = OnOneGpu(0), OnOneGpu(1)
    pairs = []
    for batch in batches(0):
        pairs.append((first.one_pass(batch), second.one_pass(first.image)))
    same([one for one, _ in pairs], [other for _, other in pairs])


def threads() -> None:
    """Both threads take their batches from the first GPU."""
    inputs = batches(0)
    results: dict[int, list[torch.Tensor]] = {}

    def work(device: int) -> None:
        worker = OnOneGpu(device)
        results[device] = [worker.one_pass(batch) for batch in inputs]
        torch.cuda.synchronize(worker.device)

    workers = [Thread(target=work, args=(device,)) for device in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    same(results[0], results[1])


def processes() -> None:
    """One on each GPU, at the same time."""
    fork_without_gpu()
    with_another_process("1", dict(os.environ))


def hidden() -> None:
    """One on each GPU; the second process calls its GPU 0 as well."""
    with_another_process("0", {**os.environ, "CUDA_VISIBLE_DEVICES": "1"})


def shared() -> None:
    """Two on the first GPU."""
    fork_without_gpu()
    with_another_process("0", dict(os.environ))


def one() -> None:
    """One process on the first GPU."""
    alone(0)


def with_another_process(device: str, environment: dict[str, str]) -> None:
    """Work on the first GPU while another process works on the device that it is given."""
    other = subprocess.Popen([sys.executable, __file__, "child", device], env=environment)
    alone(0)
    if other.wait():
        sys.exit("the other process failed")


def alone(device: int) -> None:
    """The same input twice gives the same output."""
    worker, inputs = OnOneGpu(device), batches(device)
    results = [worker.one_pass(batch) for batch in inputs]
    same(results[::2], results[1::2])


def fork_without_gpu() -> None:
    """A child that opens a range and does nothing, from before the GPU is used."""
    child = os.fork()
    if not child:
        with nvtx.annotate("nothing", domain="two_gpus"):
            pass
        os._exit(0)
    os.waitpid(child, 0)


def batches(device: int) -> list[torch.Tensor]:
    """Inputs of which every two are the same, complete when they are returned."""
    generator = torch.Generator().manual_seed(1)
    made = [torch.randn(SHAPE, generator=generator).to(f"cuda:{device}") for _ in range(ROUNDS // 2)]
    torch.cuda.synchronize(device)
    return [batch for batch in made for _ in range(2)]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> None:
    """Print how many of them differ."""
    pairs = zip(one, other, strict=True)
    wrong = sum(not torch.allclose(left.cpu(), right.cpu(), rtol=1e-2, atol=1e-3) for left, right in pairs)
    print(f"process {os.getpid()}: {wrong} of {len(one)} outputs differ")


MODES: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (turns, threads, processes, hidden, shared, one)
}

if __name__ == "__main__":
    onnxruntime.preload_dlls()
    if sys.argv[1] == "child":
        alone(int(sys.argv[2]))
    else:
        MODES[sys.argv[1]]()
