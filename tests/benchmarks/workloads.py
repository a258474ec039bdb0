"""Programs with one known cost each, and the same without it: what is traced and what is fixed, for real.

    python tests/benchmarks/workloads.py MODEL HABIT [ITERATIONS]         # on a GPU
    ortprobe trace --active 8 --torch-runs 12 tests/benchmarks/workloads.py MODEL HABIT

MODEL is `resnet50`, `encoder` or `tiny`; HABIT is one of `HABITS`. Each iteration puts a batch into the bound input,
runs, and clones the output. Prints one JSON object: the median iteration in ns, over the last half of them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from workload_models import CHARACTERS, write

HABITS = {
    "healthy": "one stream for torch and onnxruntime, and nobody waits before the end",
    "sync": "a device synchronise after every step",
    "run-sync": "onnxruntime's own waits at the end of each run, the default",
    "pinned": "inputs from and outputs to pinned memory, non-blocking, one wait a step",
    "pageable": "the same from and to pageable memory",
    "cpu-nodes": "operators that only the CPU has, between layers",
    "shapes": "a batch size not seen before in every third step",
    "threads": "two threads, a session and a stream each",
    "reinit": "set_providers with the same stream in every tenth step",
}


@dataclass
class Loop:
    """One session with its bound buffers, on a stream of its own."""

    path: Path
    character: str
    habit: str
    batch: int

    def __post_init__(self) -> None:
        self.stream = torch.cuda.Stream()
        cuda = {"user_compute_stream": str(self.stream.cuda_stream), "cudnn_conv_algo_search": "HEURISTIC"}
        self.providers = [("CUDAExecutionProvider", cuda), "CPUExecutionProvider"]
        self.session = ort.InferenceSession(self.path, providers=self.providers)
        assert "CUDAExecutionProvider" in self.session.get_providers()
        self.options = ort.RunOptions()
        if self.habit not in ("run-sync", "threads", "cpu-nodes", "shapes"):
            self.options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self.shape = CHARACTERS[self.character].shape
        self.output = self.session.get_outputs()[0].name
        self.bind(self.batch)

    def bind(self, batch: int) -> None:
        """New buffers for this batch size, and a binding of them."""
        with torch.cuda.stream(self.stream):
            self.x = torch.zeros((batch, *self.shape), device="cuda")
            self.data = torch.randn((batch, *self.shape), device="cuda")
            rows = (batch, 1000) if self.character == "resnet50" else (batch, *self.shape)
            self.y = torch.zeros(rows, device="cuda")
        pinned = self.habit == "pinned"
        self.host_x = torch.randn((batch, *self.shape), pin_memory=pinned)
        self.host_y = torch.empty(rows, pin_memory=pinned)
        self.binding = self.session.io_binding()
        self.binding.bind_input("x", "cuda", 0, np.float32, list(self.x.shape), self.x.data_ptr())
        self.binding.bind_output(self.output, "cuda", 0, np.float32, list(self.y.shape), self.y.data_ptr())

    def step(self, number: int) -> torch.Tensor:
        """One iteration."""
        if self.habit == "reinit" and number % 10 == 9:
            self.session.set_providers(
                *zip(*((p, {}) if isinstance(p, str) else p for p in self.providers), strict=True)
            )
            self.bind(self.batch)
        if self.habit == "shapes" and number % 3 == 0:
            self.bind(self.batch + number // 3)
        from_host = self.habit in ("pinned", "pageable")
        with torch.cuda.stream(self.stream):
            self.x.copy_(self.host_x if from_host else self.data, non_blocking=self.habit == "pinned")
            self.session.run_with_iobinding(self.binding, self.options)
            if from_host:
                self.host_y.copy_(self.y, non_blocking=self.habit == "pinned")
                result = self.host_y
            else:
                result = self.y.clone()
        if self.habit == "sync":
            torch.cuda.synchronize()
        if self.habit == "pinned":
            self.stream.synchronize()
        return result


def timed(loop: Loop, iterations: int, took_ns: list[int]) -> None:
    """Each iteration's time; the last one waits for the device, and so takes what is queued."""
    for number in range(iterations):
        begin_ns = time.perf_counter_ns()
        loop.step(number)
        if number == iterations // 2 or number == iterations - 1:
            torch.cuda.synchronize()
        took_ns.append(time.perf_counter_ns() - begin_ns)


def main(character: str, habit: str, iterations: int) -> None:
    torch.cuda.init()
    with tempfile.TemporaryDirectory() as folder:
        path = write(character, Path(folder) / f"{character}.onnx", hardmax=habit == "cpu-nodes")
        batch = CHARACTERS[character].batch
        loops = [Loop(path, character, habit, batch) for _ in range(2 if habit == "threads" else 1)]
        times: list[list[int]] = [[] for _ in loops]
        work: list[Callable[[], None]] = [
            lambda loop=loop, took=took: timed(loop, iterations, took) for loop, took in zip(loops, times, strict=True)
        ]
        threads = [threading.Thread(target=each) for each in work[1:]]
        for thread in threads:
            thread.start()
        work[0]()
        for thread in threads:
            thread.join()
    late = np.array([took[iterations // 2 + 1 :] for took in times])
    pace_ns = late.sum(axis=1).mean() / late.shape[1]
    print(
        json.dumps({"model": character, "habit": habit, "pace_ns": round(pace_ns), "median_ns": int(np.median(late))})
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 120)
