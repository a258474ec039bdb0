"""Every threshold of every rule, with the measurement or the reason that set it."""

from __future__ import annotations

FIRST_RUN_RATIO = 5.0
"""F1: first run over steady run. Measured on an H100 (ResNet-50, onnxruntime-gpu 1.31.1): first runs take 40 to 200
times the steady run."""
FIRST_RUN_EXCESS_NS = 5_000_000
"""F1: a first run that costs less than this on top is not worth a line."""
FIRST_RUN_SHARE = 0.5
"""F1: every program has a first run; above this share of all the time in runs it is what the program does."""
BETWEEN_RUNS_SHARE = 0.2
"""I1: idle between runs over the time from the first to the last run. A loop that only runs the model and copies its
output leaves less than this (H100, ResNet-50 batch 8, traced)."""
BETWEEN_RUNS_NEEDED = 5
"""I1: fewer gaps than this are no loop."""
EVIDENCE_SPANS = 50
"""Spans that one finding cites at most; its count says how many there are."""
