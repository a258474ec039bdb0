"""Two sessions of a model that does next to nothing, run as fast as they can for so many seconds.

    ortprobe trace --no-report tests/benchmarks/busy_loop.py SECONDS

Prints the number of runs and the largest size of the process; the size of the bundle is what `trace` says.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import onnxruntime
from run_call import tiny_model


def main() -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    first, second = (
        onnxruntime.InferenceSession(tiny_model(), options, providers=["CPUExecutionProvider"]) for _ in range(2)
    )
    feed = np.ones(4, np.float32)
    binding = first.io_binding()
    runs, end_s = 0, time.monotonic() + float(sys.argv[1])
    while time.monotonic() < end_s:
        binding.bind_cpu_input("x", feed)
        binding.bind_output("y")
        first.run_with_iobinding(binding)
        binding.copy_outputs_to_cpu()
        second.run(None, {"x": feed})
        runs += 2
    print(f"{runs:,} runs, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
