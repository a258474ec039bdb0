"""What CUPTI goes on costing after torch's profiler has stopped, with and without being detached. Needs a CUDA GPU.

    python tests/benchmarks/after_window.py MODEL.onnx INPUT=N,C,…

Prints the median run before any window, after one of torch's own, and after one that also has Kineto detach CUPTI.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from run_call import bound_session


def median_us(run: Callable[[Callable], None], runs: int = 400) -> float:
    times_ns = []
    for _ in range(runs):
        start_ns = time.perf_counter_ns()
        run(onnxruntime.InferenceSession.run_with_iobinding)
        times_ns.append(time.perf_counter_ns() - start_ns)
    return statistics.median(times_ns) / 1000


def window(run: Callable[[Callable], None], runs: int = 20) -> None:
    with torch.autograd.profiler.profile(use_kineto=True, use_device="cuda"):
        for _ in range(runs):
            run(onnxruntime.InferenceSession.run_with_iobinding)


def main() -> None:
    name, _, shape = sys.argv[2].partition("=")
    feeds = {name: np.zeros([int(size) for size in shape.split(",")], np.float32)}
    torch.cuda.synchronize()
    run = bound_session(sys.argv[1], feeds, "CUDAExecutionProvider")
    print(f"before a window {median_us(run):.0f} µs")
    window(run)
    print(f"after a window {median_us(run):.0f} µs")
    os.environ["TEARDOWN_CUPTI"] = "1"
    window(run)
    print(f"after a window that detaches CUPTI {median_us(run):.0f} µs")


if __name__ == "__main__":
    main()
