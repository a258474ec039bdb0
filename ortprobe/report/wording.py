"""How causes, creations, waiters and the origins of nodes are called in front of people."""

from __future__ import annotations

from collections.abc import Mapping

from ortprobe.analysis.causes import IdleCause
from ortprobe.analysis.nodes import NodeTime, NodeTimes
from ortprobe.analysis.waits import Wait
from ortprobe.timeline import NONE, Creation, LinkKind, Timeline

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


def origin_text(node: NodeTime) -> str:
    """`/conv1/Conv + /relu1/Relu`: the names that a node had in the model; empty where they are unknown."""
    if node.origin is None:
        return ""
    return "put in by ORT" if node.origin.link is LinkKind.INSERTED else " + ".join(node.origin.names)


def operator_text(node: NodeTime) -> str:
    """`FusedConv (Conv + Relu)`: the operator, and those of the model's nodes where it stands for several."""
    if node.origin is None or len(node.origin.op_types) <= 1:
        return node.op_type
    several = dict.fromkeys(node.origin.op_types)
    return f"{node.op_type} ({' + '.join(several)})"


def found_in_models(times: NodeTimes) -> tuple[str, ...]:
    """How many nodes were found in their model, as a phrase; none without models."""
    counts = times.in_models
    if not counts:
        return ()
    found, whole = counts.get(LinkKind.EXACT, 0) + counts.get(LinkKind.DERIVED, 0), sum(counts.values())
    inserted = counts.get(LinkKind.INSERTED, 0)
    put_in = f", {inserted:,} put in by ORT" if inserted else ""
    return (f"{found:,} of {whole:,} found in the model{put_in}",)
