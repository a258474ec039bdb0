"""What torch's profiler watched: the stretches of time, and the runs inside them."""

from __future__ import annotations

import numpy as np

from ortprobe.bundle import ATTACHED_TORCH_PROFILER
from ortprobe.timeline import DEVICE_WORK, NONE, Bools, Kind, Timeline, traced_windows
from ortprobe.timeline.intervals import Intervals


def recorded_windows(timeline: Timeline) -> Intervals:
    """The stretches of time that torch's traces cover, disjoint and in order."""
    return traced_windows(timeline.spans, timeline.sources)


def watched_windows(timeline: Timeline, process: int) -> Intervals:
    """The stretches in which torch's profiler was attached to a process, as far as that is known.

    A trace begins with its first record. Where the hooks saw the profiler being attached before, what lies between was
    watched too, and nothing happened there.
    """
    start_ns, end_ns = traced_windows(timeline.spans, timeline.sources, process)
    began_ns, _ = _own_calls(timeline, "ortprobe.profiler_start", process)
    _, stopped_ns = _own_calls(timeline, "ortprobe.profiler_stop", process)
    events_ns = np.sort(np.concatenate((began_ns, stopped_ns, end_ns)))
    last = np.searchsorted(events_ns, start_ns, side="right") - 1
    last_ns = events_ns[last] if len(events_ns) else start_ns
    attached = (last >= 0) & np.isin(last_ns, began_ns)
    return np.where(attached, last_ns, start_ns), end_ns


def _own_calls(timeline: Timeline, name: str, process: int) -> Intervals:
    """(end, start) of the capture's own calls of this name."""
    spans, hooks = timeline.spans, timeline.hooks
    number = timeline.names.index(name) if name in timeline.names else NONE
    own = hooks.span[hooks.what == number]
    of_process = np.array([lane.process in (process, NONE) or process == NONE for lane in timeline.lanes], np.bool_)
    own = own[of_process[spans.lane[own]]]
    return spans.end_ns[own], spans.start_ns[own]


def gpu_traced(timeline: Timeline) -> Bools:
    """For each run, whether a torch trace watched the GPU meanwhile, so that work not seen was not there.

    Traces without a single CUDA call or device span were recorded without CUPTI and say nothing about a GPU.
    """
    watched = np.isin(timeline.spans.kind, (Kind.CUDA_CALL, *DEVICE_WORK)).any()
    return np.asarray(watched & ((timeline.runs.attached & ATTACHED_TORCH_PROFILER) != 0), np.bool_)
