"""What a node took on the host when its input had a shape for the first time, beside shapes that it knew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.nodes.placement import cpu_nodes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline

KNOWN_NEEDED = 2
"""Fewer executions with known shapes have no median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShapes:
    """One row for each execution of a node on a GPU with input shapes that it had not had, its first one left out; in
    time order. On a GPU the host time of a node is what launching its work took, and hardly depends on its size."""

    node: Int32s
    """Row in `Timeline.nodes`."""
    run: Int32s
    """Row in `Timeline.runs`."""
    span: Int32s
    """The execution."""
    host_ns: Int64s
    known_ns: Int64s
    """Median host time of the node's executions with shapes that it had had before; NONE with fewer than two."""

    def __len__(self) -> int:
        return len(self.node)


def compute_new_shapes(timeline: Timeline) -> NewShapes:
    """Executions with shapes seen for the first time."""
    executed, spans = timeline.node_spans, timeline.spans
    run = timeline.links.run[executed.span]
    rows = np.flatnonzero((run != NONE) & (executed.input_shapes != NONE) & ~cpu_nodes(timeline)[executed.node])
    node, host_ns = executed.node[rows], spans.duration_ns[executed.span[rows]]
    shaped = node.astype(np.int64) << 32 | executed.input_shapes[rows]
    first = np.zeros(len(rows), np.bool_)
    first[np.unique(shaped, return_index=True)[1]] = True
    of_node = np.zeros(len(rows), np.bool_)
    of_node[np.unique(node, return_index=True)[1]] = True
    known_ns = _medians(node[~first], host_ns[~first], len(timeline.nodes))
    new = np.flatnonzero(first & ~of_node)
    return NewShapes(
        node=node[new],
        run=run[rows[new]],
        span=executed.span[rows[new]],
        host_ns=host_ns[new],
        known_ns=known_ns[node[new]],
    )


def _medians(group: Int32s, values: Int64s, groups: int) -> Int64s:
    """The median of each group; NONE for those with fewer than `KNOWN_NEEDED`."""
    order = np.lexsort((values, group))
    distinct, first, count = np.unique(group[order], return_index=True, return_counts=True)
    found = np.full(groups, NONE, np.int64)
    low, high = values[order[first + (count - 1) // 2]], values[order[first + count // 2]]
    found[distinct] = np.where(count >= KNOWN_NEEDED, (low + high) // 2, NONE)
    return found


def of_operators(timeline: Timeline, op_types: frozenset[str]) -> Bools:
    """Shape (nodes,): whether a node on a GPU is one of these operators."""
    op_type = timeline.nodes.op_type
    chosen = [name for name in np.unique(op_type).tolist() if name != NONE and timeline.names[name] in op_types]
    return np.asarray(np.isin(op_type, chosen) & ~cpu_nodes(timeline), np.bool_)
