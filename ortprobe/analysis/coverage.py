"""What torch's profiler watched: the stretches of time, and the runs inside them."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import Bools, Kind, SourceKind, Timeline
from ortprobe.timeline.intervals import Intervals, union


def recorded_windows(timeline: Timeline) -> Intervals:
    """From the first to the last span of each torch trace, overlaps joined. Between two of them nobody watched."""
    return _windows_of(timeline, _torch_sources(timeline))


def gpu_traced(timeline: Timeline) -> Bools:
    """For each run, whether it lies wholly in a torch trace that watched the GPU, so that work not seen was not there.

    A torch trace without a single CUDA call or device span was recorded without CUPTI and says nothing about the GPU.
    """
    spans = timeline.spans
    of_gpu = np.isin(spans.kind, (Kind.CUDA_CALL, Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET))
    watching = np.unique(spans.source[of_gpu])
    start_ns, end_ns = _windows_of(timeline, np.intersect1d(_torch_sources(timeline), watching))
    if not len(start_ns):
        return np.zeros(len(timeline.runs), np.bool_)
    window = np.searchsorted(start_ns, timeline.runs.start_ns, side="right") - 1
    return np.asarray((window >= 0) & (timeline.runs.end_ns <= end_ns[np.maximum(window, 0)]), np.bool_)


def _torch_sources(timeline: Timeline) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    kinds = [source.kind is SourceKind.TORCH_TRACE for source in timeline.sources]
    return np.flatnonzero(np.array(kinds, np.bool_))


def _windows_of(timeline: Timeline, sources: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Intervals:
    spans = timeline.spans
    bounds = [
        (int(spans.start_ns[mask].min()), int(spans.end_ns[mask].max()))
        for mask in (spans.source == source for source in sources.tolist())
        if mask.any()
    ]
    starts, ends = np.array(bounds, np.int64).reshape(-1, 2).T
    return union(starts, ends)
