"""How causes, creations, waiters, the origins of nodes and what has none are called in front of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.idle.starvation import StreamStarvation
from ortprobe.analysis.nodes.attribution import NOT_OF_RUNS, Attribution, WithoutNode
from ortprobe.analysis.nodes.node_times import NodeTime, NodeTimes
from ortprobe.analysis.sessions.stale import HeldBy, StaleSession
from ortprobe.analysis.waits.wait_groups import WaitGroup
from ortprobe.analysis.waits.wait_times import Need, WaitRole, WaitTimes
from ortprobe.rules.finding import Finding
from ortprobe.timeline import NONE, Creation, Int64s, LinkedBy, LinkKind, Site, Timeline, own_stream
from ortprobe.units import format_bytes, format_ns

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
    IdleCause.PAGEABLE_COPY: "copying pageable memory",
    IdleCause.LAUNCH_LATENCY: "launch latency",
    IdleCause.CROSS_STREAM_WAIT: "stream waits for a stream",
    IdleCause.WITHIN_GRAPH: "within a CUDA graph",
    IdleCause.ENGINE_SWITCH: "between copy and kernel",
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

HELD_BY_LABELS: Mapping[HeldBy, str] = {
    HeldBy.PROGRAM: "kept by the program, which made other sessions since",
    HeldBy.BINDING: "replaced, and kept by an IOBinding made for it",
    HeldBy.PERHAPS_BINDING: "replaced; an IOBinding made for it may still keep it",
}

WITHOUT_NODE_LABELS: Mapping[WithoutNode, str] = {
    WithoutNode.NO_LAUNCH: "with no launch in the trace",
    WithoutNode.SESSION_CREATION: "launched while a session was created",
    WithoutNode.TORCH_OP: "launched inside a torch operator",
    WithoutNode.ORT_CALL: "launched by a call of onnxruntime that is no run",
    WithoutNode.PROFILE_CUT_OFF: "launched where a profile is cut off",
    WithoutNode.PROFILE_ADRIFT: "whose profile has no known place in time",
    WithoutNode.NO_PROFILE: "without a profile",
    WithoutNode.OUTSIDE_RUNS: "launched outside of any run that was seen",
    WithoutNode.BETWEEN_NODES: "launched between nodes",
    WithoutNode.AROUND_EXECUTE: "launched before the first node or after the last",
    WithoutNode.NONE_TO_BORROW: "for which the run that lent its nodes has none",
    WithoutNode.SESSION_UNKNOWN: "of a run whose session is not known",
    WithoutNode.RUN_INCOMPLETE: "of a run without profile that lost work",
    WithoutNode.NO_SAME_SEQUENCE: "of a run without profile whose sequence no profiled run has",
}
"""Each goes on after "n kernels"."""

NODE_BY_LABELS: Mapping[LinkedBy, str] = {
    LinkedBy.NESTED: "seen inside it",
    LinkedBy.SAME_SEQUENCE: "by the same sequence",
}


WAIT_ROLE_LABELS: Mapping[WaitRole, str] = {
    WaitRole.UNKNOWN: "caller not recorded",
    WaitRole.PROFILER: "the profiler",
    WaitRole.SESSION_CREATION: "session being created",
    WaitRole.IN_NODE: "inside a node",
    WaitRole.RUN_END_LEGACY: "end of run, legacy stream",
    WaitRole.RUN_END_OWN: "end of run, ORT's stream",
    WaitRole.BLOCKING_COPY: "copy to the host",
    WaitRole.IN_RUN: "inside a run",
    WaitRole.PROGRAM: "the program",
}

NEED_LABELS: Mapping[Need, str] = {
    Need.UNKNOWN: "can't tell",
    Need.ALREADY_DONE: "no: already done",
    Need.DATA_FOR_HOST: "yes: data for the host",
    Need.FREES_HOST_MEMORY: "yes: the host's memory was being read",
    Need.ORDERS_STREAMS: "orders streams",
    Need.ORDERS_NOTHING_SEEN: "nothing on the device that was seen depends on it",
}


def headed(label: str) -> str:
    """A label at the head of a line or column: `Waiting for the GPU`."""
    return label[:1].upper() + label[1:]


def site_text(site: Site | None) -> str:
    """`file:line`, empty for none."""
    return str(site) if site else ""


def line_text(site: Site | None, next_site: Site | None, *, is_between: bool) -> str:
    """`app.py:12` for a call's own time, `app.py:12 → app.py:15` for what lies between two calls; empty for none."""
    line, next_line = site_text(site), site_text(next_site)
    if not is_between or not (line or next_line):
        return line
    if not next_line:
        return f"after {line}"
    return f"{line} → {next_line}" if line else f"before {next_line}"


def starved_text(starved: StreamStarvation, timeline: Timeline) -> str:
    """`stream 29 starved 98.8 ms of 277 ms while stream 7 ran: mostly stream waits for a stream (11.4 ms)`."""
    main, time_ns = next(iter(starved.starved_by_cause.items()))
    names = [
        stream_label(timeline, starved.device, stream) for stream in (starved.stream, next(iter(starved.meanwhile_ns)))
    ]
    times = f"{format_ns(starved.starved_ns)} of {format_ns(starved.life_ns)}"
    cause = "queued, without a wait that is known" if main is IdleCause.UNATTRIBUTED else CAUSE_LABELS[main]
    return f"{names[0]} starved {times} while {names[1]} ran: mostly {cause} ({format_ns(time_ns)})"


def stream_label(timeline: Timeline, device: int, stream: int) -> str:
    """What a stream is called: by its lane."""
    lanes = (lane.label for lane in timeline.lanes if (lane.device, lane.stream) == (device, stream))
    return next(lanes, f"stream {own_stream(stream)}")


def waiter_labels(waits: WaitTimes, rows: Int64s) -> list[str]:
    """The thread or stream that waits; a wait without its call or its record does not say which."""
    labels = [*(lane.label for lane in waits.timeline.lanes), "not recorded"]
    return [labels[lane] for lane in waits.waiter_lane[rows].tolist()]


def not_needed_text(groups: Sequence[WaitGroup]) -> str:
    """What it means that waits were not needed; empty when all were, as far as anybody can tell."""
    if not any(group.not_needed_ns for group in groups):
        return ""
    return f"not needed: {NEED_LABELS[Need.ORDERS_NOTHING_SEEN]}; without it, a later wait may stall instead"


def unresolved_text(groups: Sequence[WaitGroup]) -> str:
    """How many waits hold nothing about what they waited for; empty for none."""
    count, unresolved = sum(group.count for group in groups), sum(group.unresolved for group in groups)
    return f"{unresolved:,} of {count:,} don't say what they waited for" if unresolved else ""


def waited_nodes(waits: WaitTimes, rows: Int64s) -> list[str]:
    """The node of the last work that each wait waited for; empty where it has none."""
    timeline, work = waits.timeline, waits.work[rows]
    node = np.where(work != NONE, timeline.links.node[work], NONE)
    return [
        timeline.names[name] if name != NONE else "" for name in np.append(timeline.nodes.name, NONE)[node].tolist()
    ]


def waited_streams(waits: WaitTimes, rows: Int64s) -> list[tuple[int, ...]]:
    """The streams that each wait waited for, as its process numbers them."""
    streams = [own_stream(lane.stream) for lane in waits.timeline.lanes]
    return [tuple(streams[lane] for lane in waits.waited[row].tolist()) for row in rows.tolist()]


def waited_labels(waits: WaitTimes, rows: Int64s) -> list[str]:
    """`stream 29: /conv1/Conv`: the streams waited for, and the node of the last work, where it has one."""
    found = []
    for streams, node in zip(waited_streams(waits, rows), waited_nodes(waits, rows), strict=True):
        numbers = ", ".join(map(str, streams))
        named = f"stream{'s' if len(streams) > 1 else ''} {numbers}" if streams else ""
        found.append(": ".join(part for part in (named, node) if part))
    return found


def stale_text(stale: StaleSession) -> str:
    """One line about a session that was held without use, with the memory in it as far as that is known."""
    held = f", held {format_ns(stale.held_ns)} without use" if stale.held_ns is not None else ""
    memory = stale.memory
    known = [
        f"{what} {format_bytes(size_bytes)}"
        for what, size_bytes in (("weights", memory.weight_bytes), ("arenas", memory.arena_bytes))
        if size_bytes is not None
    ]
    in_it = f"; in it: {', '.join(known)}" if known else "; its memory is not known"
    return f"session {stale.session} is {HELD_BY_LABELS[stale.held_by]}{held}{in_it}"


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


def missing_nodes(attribution: Attribution) -> tuple[tuple[WithoutNode, int], ...]:
    """Why kernels that may be ORT's have no node, and how many, the most frequent first."""
    reasons = attribution.kernels.without_node.items()
    found = [(reason, amount.count) for reason, amount in reasons if reason not in NOT_OF_RUNS]
    return tuple(sorted(found, key=lambda each: -each[1]))


def found_by_kernels(times: NodeTimes, attribution: Attribution) -> str:
    """How many kernels of ORT have their node, how it was found, and why the others have none; empty without any."""
    missing = missing_nodes(attribution)
    if not times.kernels_of_ort and not missing:
        return ""
    found = attribution.kernels.node_by
    ways = ", ".join(f"{found[by].count:,} {label}" for by, label in NODE_BY_LABELS.items() if by in found)
    head = f"{times.kernels_with_node:,} of {times.kernels_of_ort:,} kernels of ORT have their node"
    reasons = ", ".join(f"{count:,} {WITHOUT_NODE_LABELS[reason]}" for reason, count in missing)
    return head + (f": {ways}" if ways else "") + (f"; without: {reasons}" if reasons else "")


def cost_text(finding: Finding) -> str:
    """`96.5 ms, 804 µs a run; 12 ms of it counted with S1`: what a finding cost; empty where that can't be said."""
    if finding.cost_ns is None:
        return ""
    text = format_ns(finding.cost_ns)
    if finding.cost_per_run_ns is not None and finding.over_runs != 1:
        text += f", {format_ns(finding.cost_per_run_ns)} a run"
    shared_ns = finding.cost_ns - (finding.own_cost_ns or 0)
    if finding.counted_with and shared_ns:
        text += f"; {format_ns(shared_ns)} of it counted with {', '.join(finding.counted_with)}"
    return text
