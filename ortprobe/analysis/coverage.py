"""What torch's profiler watched: the stretches of time, and the runs inside them."""

from __future__ import annotations

import numpy as np

from ortprobe.bundle import ATTACHED_TORCH_PROFILER
from ortprobe.timeline import DEVICE_WORK, Bools, Kind, Timeline, torch_windows
from ortprobe.timeline.intervals import Intervals


def recorded_windows(timeline: Timeline) -> Intervals:
    """The stretches of time that torch's traces cover, disjoint and in order."""
    return torch_windows(timeline.spans, timeline.sources)


def gpu_traced(timeline: Timeline) -> Bools:
    """For each run, whether a torch trace watched the GPU meanwhile, so that work not seen was not there.

    Traces without a single CUDA call or device span were recorded without CUPTI and say nothing about a GPU.
    """
    watched = np.isin(timeline.spans.kind, (Kind.CUDA_CALL, *DEVICE_WORK)).any()
    return np.asarray(watched & ((timeline.runs.attached & ATTACHED_TORCH_PROFILER) != 0), np.bool_)
