"""What nodes did on the host: ORT's time of each, divided without remainder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.nodes.own_time import executions_around
from ortprobe.analysis.sessions.host_parts import PARTS, HostPart, HostPieces, Stretches, host_pieces
from ortprobe.analysis.waits.wait_times import ROLES, WaitRole, WaitTimes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value, sum_by_group
from ortprobe.timeline.intervals import innermost_containing


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHost:
    """One node over those of its executions that torch's profiler watched.

    For a node on a GPU this is what launching its work took, and no measure of the work; ORT's wheels have no other
    time of it: their profiler is built without CUPTI (onnxruntime 1.31.1; pull request 9875). What tracing added to
    each call is in it.
    """

    node: int
    """Row in `Timeline.nodes`."""
    executions: int
    own_ns: int
    """Host time, without that of nodes in its subgraphs."""
    parts_ns: Mapping[HostPart, int]
    """What its thread did; sums to `own_ns` exactly. `LAUNCH`, `COPY`, `ALLOCATION`, `MODULE_LOADING`, `WAIT`, other
    calls, and ORT's own code: `NODE_BEFORE_LAUNCH`, `NODE` and, between nodes of a subgraph, `ORT`."""
    waits: int
    """Calls in it that wait for the GPU, by `WaitRole.IN_NODE`."""
    stall_ns: int | None
    """How long they stalled its thread; None where that of one is not known."""

    @property
    def own_code_ns(self) -> int:
        """In no CUDA call and no record of CUPTI: code of ORT and of the libraries that it calls."""
        return sum(self.parts_ns.get(part, 0) for part in (HostPart.NODE_BEFORE_LAUNCH, HostPart.NODE, HostPart.ORT))


def compute_node_hosts(timeline: Timeline, waits: WaitTimes) -> tuple[NodeHost, ...]:
    """Divide the host time of every node that was watched, the longest first; empty without a GPU trace."""
    nodes = len(timeline.nodes)
    chosen = _watched(timeline)
    outermost = chosen & (executions_around(timeline) == NONE)
    span = timeline.node_spans.span[outermost]
    stretches = Stretches(
        lane=timeline.spans.lane[span], start_ns=timeline.spans.start_ns[span], end_ns=timeline.spans.end_ns[span]
    )
    pieces = host_pieces(timeline, stretches)
    execution = _innermost(timeline, stretches, pieces)
    parts_ns = np.zeros((nodes, len(PARTS)), np.int64)
    np.add.at(parts_ns, (timeline.node_spans.node[execution], pieces.part), pieces.length_ns)
    executions = np.bincount(timeline.node_spans.node[chosen], minlength=nodes)
    in_node = _WaitsInNodes.of(timeline, waits, nodes)
    found = [
        NodeHost(
            node=node,
            executions=int(executions[node]),
            own_ns=int(parts_ns[node].sum()),
            parts_ns={PARTS[part]: int(parts_ns[node, part]) for part in np.flatnonzero(parts_ns[node]).tolist()},
            waits=int(in_node.count[node]),
            stall_ns=None if in_node.stall_ns[node] == NONE else int(in_node.stall_ns[node]),
        )
        for node in np.flatnonzero(executions).tolist()
    ]
    return tuple(sorted(found, key=lambda each: -each.own_ns))


def _watched(timeline: Timeline) -> Bools:
    """Executions of nodes in runs that torch's profiler watched."""
    run = timeline.links.run[timeline.node_spans.span]
    return np.asarray(np.append(gpu_traced(timeline), False)[run], np.bool_)


def _innermost(timeline: Timeline, stretches: Stretches, pieces: HostPieces) -> Int32s:
    """For each piece the innermost execution of a node around it, as a row of `Timeline.node_spans`."""
    spans, executed = timeline.spans, timeline.node_spans.span
    lane = stretches.lane[pieces.stretch]
    found = np.full(len(lane), NONE, np.int32)
    own = dict(rows_by_value(spans.lane[executed]))
    for each, rows in rows_by_value(lane):
        members = executed[own[each]]
        row = innermost_containing(spans.start_ns[members], spans.end_ns[members], pieces.start_ns[rows])
        found[rows] = own[each][row]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _WaitsInNodes:
    """Of each node."""

    count: Int64s
    stall_ns: Int64s
    """NONE where that of one is not known."""

    @classmethod
    def of(cls, timeline: Timeline, waits: WaitTimes, nodes: int) -> _WaitsInNodes:
        inside = np.flatnonzero((waits.role == ROLES.index(WaitRole.IN_NODE)) & waits.by_host)
        call = np.where(waits.call[inside] == NONE, waits.span[inside], waits.call[inside])
        seen = timeline.links.node_span[call] != NONE
        inside, call = inside[seen], call[seen]
        node = timeline.links.node[call]
        own_stall_ns = waits.stall_ns[inside]
        stall_ns = sum_by_group(node, own_stall_ns, nodes)
        stall_ns[node[own_stall_ns == NONE]] = NONE
        return cls(count=np.bincount(node, minlength=nodes), stall_ns=stall_ns)
