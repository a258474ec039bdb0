"""What a node took on the host when its input had another shape than the time before, and what it takes otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.nodes.placement import cpu_nodes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline

UNCHANGED_NEEDED = 2
"""Fewer executions have no median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeChanges:
    """One row for each execution of a node on a GPU whose input shapes were others than in its execution before; by
    node, then in time order. On a GPU the host time of a node is what launching its work took, and hardly depends on
    its size."""

    node: Int32s
    """Row in `Timeline.nodes`."""
    run: Int32s
    """Row in `Timeline.runs`."""
    span: Int32s
    """The execution."""
    host_ns: Int64s
    usual_ns: Int64s
    """Median host time of the node's executions with the same shapes as the time before; with fewer than two of them,
    that of all executions of other operators of the session; NONE without such."""
    by_others: Bools
    """Whether `usual_ns` is that of other operators."""

    def __len__(self) -> int:
        return len(self.node)


def compute_shape_changes(timeline: Timeline) -> ShapeChanges:
    """Executions with other shapes than the time before."""
    executed, spans = timeline.node_spans, timeline.spans
    run = timeline.links.run[executed.span]
    rows = np.flatnonzero((run != NONE) & (executed.input_shapes != NONE) & ~cpu_nodes(timeline)[executed.node])
    rows = rows[np.argsort(executed.node[rows], kind="stable")]
    node, shapes, host_ns = executed.node[rows], executed.input_shapes[rows], spans.duration_ns[executed.span[rows]]
    again = np.append(False, node[1:] == node[:-1])[: len(rows)]
    same = again & np.append(False, shapes[1:] == shapes[:-1])[: len(rows)]
    usual_ns = _medians(node[same], host_ns[same], len(timeline.nodes))
    changed = np.flatnonzero(again & ~same)
    found_ns = usual_ns[node[changed]]
    by_others = found_ns == NONE
    found_ns[by_others] = _of_others(timeline, node, host_ns)[node[changed][by_others]]
    return ShapeChanges(
        node=node[changed],
        run=run[rows[changed]],
        span=executed.span[rows[changed]],
        host_ns=host_ns[changed],
        usual_ns=found_ns,
        by_others=np.asarray(by_others & (found_ns != NONE), np.bool_),
    )


def _medians(group: Int32s, values: Int64s, groups: int) -> Int64s:
    """The median of each group; NONE for those with fewer than `UNCHANGED_NEEDED`."""
    order = np.lexsort((values, group))
    distinct, first, count = np.unique(group[order], return_index=True, return_counts=True)
    found = np.full(groups, NONE, np.int64)
    low, high = values[order[first + (count - 1) // 2]], values[order[first + count // 2]]
    found[distinct] = np.where(count >= UNCHANGED_NEEDED, (low + high) // 2, NONE)
    return found


def _of_others(timeline: Timeline, node: Int32s, host_ns: Int64s) -> Int64s:
    """For each node the median host time of executions of other operators on a GPU in its session; NONE without."""
    nodes = timeline.nodes
    found = np.full(len(nodes), NONE, np.int64)
    kinds = np.stack((nodes.session, nodes.op_type))
    for session, op_type in np.unique(kinds, axis=1).T.tolist():
        others = (nodes.session[node] == session) & (nodes.op_type[node] != op_type)
        if others.any():
            found[(kinds[0] == session) & (kinds[1] == op_type)] = int(np.median(host_ns[others]))
    return found


def of_operators(timeline: Timeline, op_types: frozenset[str]) -> Bools:
    """Shape (nodes,): whether a node on a GPU is one of these operators."""
    op_type = timeline.nodes.op_type
    chosen = [name for name in np.unique(op_type).tolist() if name != NONE and timeline.names[name] in op_types]
    return np.asarray(np.isin(op_type, chosen) & ~cpu_nodes(timeline), np.bool_)
