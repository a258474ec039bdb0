"""Programs that run at once, pause, or are traced, each with a fault, and the same nearly with it.

    python tests/benchmarks/faulty_programs_concurrency.py NAME               # on a GPU; `cpu_*` on any machine
    ortprobe trace --active 4 --torch-runs 12 tests/benchmarks/faulty_programs_concurrency.py NAME

The name of each says what it does; its docstring, which rule should find it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

import torch  # isort: skip
import onnxruntime as ort
from workload_models import encoder, tiny

TOGETHER, ALONE = 16, 6
"""Rounds of both threads at once, before and after some of each alone."""
PAUSES_S = (0.03, 0.06, 0.12)
PROGRAMS: dict[str, Callable[[], None]] = {}


def program(run: Callable[[], None]) -> Callable[[], None]:
    """Register a program by its name."""
    PROGRAMS[run.__name__] = run
    return run


class Worker:
    """A session with bound buffers on a stream that is given."""

    def __init__(self, model: onnx.ModelProto, shape: tuple[int, ...], stream: Any) -> None:
        cuda = {"user_compute_stream": str(stream.cuda_stream), "cudnn_conv_algo_search": "HEURISTIC"}
        self.session = ort.InferenceSession(
            model.SerializeToString(), providers=[("CUDAExecutionProvider", cuda), "CPUExecutionProvider"]
        )
        self.x = torch.randn(shape, device="cuda")
        self.y = torch.empty(shape, device="cuda")
        torch.cuda.synchronize()
        self.binding = self.session.io_binding()
        self.binding.bind_input("x", "cuda", 0, np.float32, shape, self.x.data_ptr())
        output = self.session.get_outputs()[0].name
        self.binding.bind_output(output, "cuda", 0, np.float32, shape, self.y.data_ptr())

    def run(self) -> None:
        self.session.run_with_iobinding(self.binding)


def in_turns_and_at_once(runs: list[Callable[[], object]]) -> None:
    """All at once on a thread each, then each alone, then all at once again."""
    rounds = [True] * TOGETHER + [False] * ALONE + [True] * TOGETHER
    barrier, turn = threading.Barrier(len(runs)), threading.Lock()

    def work(run: Callable[[], object]) -> None:
        for together in rounds:
            barrier.wait(60)
            if together:
                run()
            else:
                with turn:
                    run()

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@program
def threads_on_one_stream() -> None:
    """C1: two threads with a session each, on the same stream."""
    stream = torch.cuda.Stream()
    in_turns_and_at_once([Worker(encoder(hardmax=False), (8, 64, 256), stream).run for _ in range(2)])


@program
def threads_on_two_streams() -> None:
    """Nearly C1: a stream for each of them."""
    in_turns_and_at_once([Worker(encoder(hardmax=False), (8, 64, 256), torch.cuda.Stream()).run for _ in range(2)])


def _cpu_runs(threads: int) -> list[Callable[[], object]]:
    model, feeds = encoder(hardmax=False, layers=2).SerializeToString(), {"x": np.ones((4, 64, 256), np.float32)}
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = [ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]) for _ in range(2)]
    return [lambda session=session: session.run(None, feeds) for session in sessions]


@program
def cpu_sessions_with_all_cores() -> None:
    """C2: two sessions run at once, each with a thread for every core and more."""
    in_turns_and_at_once(_cpu_runs(2 * (torch.get_num_threads() or 1)))


@program
def cpu_sessions_with_one_thread() -> None:
    """Nearly C2: one thread for each of them."""
    in_turns_and_at_once(_cpu_runs(1))


@program
def runs_after_pauses() -> None:
    """I2, where the GPU's clocks may fall: every other run comes after a pause."""
    worker = Worker(encoder(hardmax=False), (8, 64, 256), torch.cuda.Stream())
    for turn in range(20):
        time.sleep(PAUSES_S[turn % len(PAUSES_S)])
        worker.run()
        worker.run()


@program
def runs_in_a_row() -> None:
    """Nearly I2: without pauses."""
    worker = Worker(encoder(hardmax=False), (8, 64, 256), torch.cuda.Stream())
    for _ in range(40):
        worker.run()


@program
def hundreds_of_tiny_nodes() -> None:
    """M1: nodes so small that their records take longer than they do."""
    worker = Worker(tiny(hardmax=False, layers=300), (16, 64), torch.cuda.Stream())
    for _ in range(40):
        worker.run()


@program
def few_large_nodes() -> None:
    """Nearly M1: nodes that keep the GPU busy behind the launches."""
    worker = Worker(encoder(hardmax=False, layers=2), (256, 64, 256), torch.cuda.Stream())
    for _ in range(40):
        worker.run()


if __name__ == "__main__":
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    PROGRAMS[sys.argv[1]]()
