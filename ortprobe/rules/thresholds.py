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
EVIDENCE_SPANS = 50
"""Spans that one finding cites at most; its count says how many there are."""
