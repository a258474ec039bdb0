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
HOST_TRIPS_SHARE = 0.01
"""B3, B6: copies that take less of the runs' time than this are not worth a change."""
REBINDING_NEEDED = 5
"""B7: binding again before fewer runs than this is no habit of a loop."""
REBINDING_SHARE = 0.01
"""B7: a bind takes 3 to 10 µs; less than this share of the loop is not worth a line."""
REBINDING_DEAR_SHARE = 0.05
"""B7: from this share on it is worth a change. What varies from run to run in a steady loop is about as much."""
PAGEABLE_BYTES = 64 << 10
"""B8: smaller copies from pageable memory return at once (CUDA Runtime API, "API synchronization behavior")."""
PAGEABLE_NEEDED = 5
"""B8: fewer copies are no habit of a loop."""
PAGEABLE_SHARE = 0.01
"""B8: the replay tells what the loop would win with pinned memory. Less is not worth a change."""
PAGEABLE_DEAR_SHARE = 0.05
"""B8: from this share on it is worth a change. Measured on an H100 with ResNet-50 and 5 MB copied in: 13 %."""
CPU_NODES_SHARE = 0.05
"""N1: of the latency of runs, in nodes on the CPU that compute. Captures of an H100 with such nodes show 0.09 to 0.13
and healthy ones nothing; ORT's profile makes all nodes dearer, so that less is within what tracing changes."""
MEMCPY_SHARE = 0.05
"""N2: likewise in Memcpy nodes and the waits for them. The same captures show 0.07 and 0.09."""
NODE_WAITS_SHARE = 0.05
"""N3: likewise in waits inside nodes. A Loop of four rounds shows 0.03 on an H100, and costs no more than a look."""
NODE_WAITS_WORTH = 0.01
"""N3: waits inside nodes below this share are not worth a line."""
ONE_LAUNCH_SAVES = 0.1
"""N4: what launching at once saves at least, by the bounds of the replay, of a run with all that is around it. On an
H100 a chain of tiny kernels shows 0.48, ResNet-50 of batch 8 less than 0.1, and replays are off by up to 0.05."""
LAUNCH_GAP_NS = 50_000
"""N4: time of launching for each kernel. Launches are 7 to 25 µs apart while traced on an H100; where they are further
apart the host does something else between them: looks for an algorithm (F2), computes, waits."""
LAUNCHING_SHARE = 0.5
"""N4: of the latency, the time from the first launch to the last. Where it is less, something else sets the pace."""
LAYOUT_SHARE = 0.25
"""N6: of the device time of a session's nodes, in nodes that only move or cast elements. The transposes that attention
needs are 0.07 to 0.1 of a transformer encoder on an H100."""
LAYOUT_SAVES = 0.1
"""N6: what the loop would save without them, by the replay; below that they are information."""
RE_SEARCH_RATIO = 3.0
"""F2: host time of the convolutions of a run with other shapes than before over what they take with the same. On an
H100 it is 200 and more."""
RE_SEARCH_EXCESS_NS = 1_000_000
"""F2: a run that costs less than this on top is not worth a line."""
UNBOUNDED_SIZES = 6
"""F3: fewer different inputs are a set that can be warmed up."""
UNBOUNDED_SHARE = 0.25
"""F3: of the later half of the runs, those whose inputs had sizes that never were there before."""
SIZES_NEEDED = 12
"""F3: in fewer runs no habit shows."""
ARENA_SETTLED_RUNS = 3
"""F4: the arena may grow in the first runs. In all captures of an H100 with one set of shapes it grew in the first two
runs and in no later one."""
ARENA_GROWS_SHARE = 0.2
"""F4: of the later runs, those in which it grew. Less is a rare input that was larger than all before it, or a stream
that is made late: a pool of four threads made some in 3 of 36 later runs on an H100."""
THREADS_NEEDED = 6
"""F5: fewer threads are a pool."""
NEW_THREADS_SHARE = 0.25
"""F5: of the later half of the runs, those on a thread that the session had not run on."""
GRAPH_RUNS_NEEDED = 3
"""G1: fewer watched runs that could have replayed a graph say nothing; the first with each graph captures it."""
GRAPH_REPLAYED_SHARE = 0.5
"""G1: of those runs. A program may leave the graph out where shapes differ, and replay it in most."""
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
