"""Every threshold of every rule, with the measurement or the reason that set it."""

from __future__ import annotations

FIRST_RUN_RATIO = 5.0
"""F1: first run over steady run. Measured on an H100 (ResNet-50, onnxruntime-gpu 1.31.1): first runs take 40 to 200
times the steady run."""
FIRST_RUN_EXCESS_NS = 5_000_000
"""F1: a first run that costs less than this on top is not worth a line."""
REPEATED_SESSIONS = 2
"""S1: one more session of a model that was done running can have a reason; from here on it is a habit."""
BETWEEN_RUNS_SHARE = 0.4
"""I1: idle between two runs over the time from one run's start to the next, medians. Tracing slows the host and with it
this gap: the packaged examples, which leave nothing to overlap, show 0.21 to 0.25 while traced on an H100."""
BETWEEN_RUNS_NEEDED = 5
"""I1: fewer gaps than this are no loop."""
NEEDLESS_WAITS_SAVE = 0.01
"""Y6, Y7: the replay tells what the loop would win without the waits. Less than this share of a run is not worth a
change, and is within what the replay is off by."""
EVIDENCE_SPANS = 50
"""Spans that one finding cites at most; its count says how many there are."""
PAUSES_NEEDED = 5
"""I2: runs of each kind, after a pause and in a row, that a comparison of medians needs."""
RAMP_RATIO = 1.2
"""I2: the same kernels after pauses of 10 to 100 ms over those in a row. Measured on an H200 whose clocks were left
alone: 0.99 to 1.01. Clocks that fall show as tens of per cent (onnxruntime issues 16135, 17711, 10226)."""
RAMP_CORRELATION = 0.5
"""I2: rank correlation with the idle time before. On the H200 it lies between -0.7 and 0.4 over six to seven runs."""
CONCURRENT_RUNS = 10
"""C1, C2: fewer runs beside others than this are no habit."""
CONCURRENCY_GAINS = 1.1
"""C1, C2: work done in each moment over that of one run at a time. Above this, running at once is worth it."""
CONCURRENCY_LOSES = 0.8
"""C1, C2: below this, running at once is slower than one after another. Where nothing is in the way but the
processors' number it is 0.9 to 1.1 (two sessions with two threads each on two processors), also on a busy machine."""
OVERSUBSCRIBED = 1.5
"""C2: threads that want a processor over the processors there are. A calling thread more does no harm.
A pool of four threads on two processors took 4.7 times as long as one of one thread, with other work beside them
(`cpu_sessions_with_all_cores` in `tests/benchmarks/faulty_programs_concurrency.py`)."""
DISTORTED_RATIO = 3.0
"""M1: traced over untraced. With everything attached it is 0.9 to 2.8 for eighteen programs on an H100 and an H200, and
5.0 for a service of four threads (`tests/data`)."""
NODE_COST_NS = 12_000
"""M1: what ORT's profile adds for each node at least, where nobody measured it: 12 to 34 µs over sixteen programs with
torch's profiler beside it (`tests/data`)."""
DISTORTED_SHARE = 0.2
"""M1: the same over the median run."""
