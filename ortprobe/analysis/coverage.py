"""What torch's profiler watched: the stretches of time, and the runs inside them."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import Bools, Kind, SourceKind, Timeline
from ortprobe.timeline.intervals import Intervals, union

TORCH_PROFILER = 2
"""Bit of `Runs.attached`."""


def recorded_windows(timeline: Timeline) -> Intervals:
    """From the first to the last span of each torch trace, overlaps joined. Between two of them nobody watched."""
    spans = timeline.spans
    of_sources = [
        spans.source == source
        for source, described in enumerate(timeline.sources)
        if described.kind is SourceKind.TORCH_TRACE
    ]
    bounds = [(spans.start_ns[mine].min(), spans.end_ns[mine].max()) for mine in of_sources if mine.any()]
    start_ns, end_ns = np.array(bounds, np.int64).reshape(-1, 2).T
    return union(start_ns, end_ns)


def gpu_traced(timeline: Timeline) -> Bools:
    """For each run, whether a torch trace watched the GPU meanwhile, so that work not seen was not there.

    Traces without a single CUDA call or device span were recorded without CUPTI and say nothing about a GPU.
    """
    watched = np.isin(timeline.spans.kind, (Kind.CUDA_CALL, Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET)).any()
    return np.asarray(watched & ((timeline.runs.attached & TORCH_PROFILER) != 0), np.bool_)
