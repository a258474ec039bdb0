"""How causes, creations and waiters are called in front of people."""

from __future__ import annotations

from collections.abc import Mapping

from ortprobe.analysis.causes import IdleCause
from ortprobe.analysis.waits import Wait
from ortprobe.timeline import NONE, Creation, Timeline

CAUSE_LABELS: Mapping[IdleCause, str] = {
    IdleCause.SESSION_INIT: "session being created",
    IdleCause.MODULE_LOADING: "loading GPU code (first launches)",
    IdleCause.ALLOCATION: "allocating memory",
    IdleCause.SYNC_WAIT: "host in a wait",
    IdleCause.CPU_NODE: "node on the CPU",
    IdleCause.ORT_HOST: "onnxruntime's host code",
    IdleCause.TORCH_OP: "torch's host code",
    IdleCause.CUDA_CALL: "another CUDA call",
    IdleCause.PROFILER: "the profiler",
    IdleCause.PYTHON: "the program's own Python",
    IdleCause.LAUNCH_LATENCY: "launch latency",
    IdleCause.CROSS_STREAM_WAIT: "stream waits for a stream",
    IdleCause.BACK_TO_BACK: "between queued work",
    IdleCause.NO_MORE_WORK: "no work left",
    IdleCause.UNATTRIBUTED: "unattributed",
}

CREATION_LABELS: Mapping[Creation, str] = {
    Creation.CONSTRUCTOR: "created by InferenceSession(…)",
    Creation.SET_PROVIDERS: "created by set_providers",
    Creation.FALLBACK: "created by ORT's fallback",
    Creation.UNKNOWN: "creation seen in ORT's profile alone",
}


def waiter_label(wait: Wait, timeline: Timeline) -> str:
    """The thread or stream that waits; a wait without its call or its record does not say which."""
    return "not recorded" if wait.waiter_lane == NONE else timeline.lanes[wait.waiter_lane].label
