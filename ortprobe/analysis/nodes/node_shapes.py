"""What nodes were given: their input shapes, and how fast the GPU moved their operands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.nodes.operand_bytes import tensors_bytes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline
from ortprobe.timeline.groups import sum_by_group

READ_IN_PART = frozenset({
    "If", "Loop", "Scan", "Shape", "Size", "Gather", "GatherND", "GatherElements", "Slice", "Compress", "RoiAlign",
    "MaxRoiPool", "GridSample", "Resize", "Upsample", "ScatterND", "ScatterElements", "ScatterElementsND",
    "EmbedLayerNormalization", "SkipEmbedLayerNormalization", "GatherBlockQuantized", "Reshape", "Identity", "Flatten",
    "Squeeze", "Unsqueeze", "GroupQueryAttention", "PagedAttention",
})  # fmt: skip
"""Operators that need not read all of an input or write all of an output: they look some of it up, leave the work to
their subgraphs, or pass a buffer on. The size of their operands says nothing of what they moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShapes:
    """One row for each node and input shapes that it had, by node, then by when they were first seen."""

    node: Int32s
    """Row in `Timeline.nodes`."""
    shapes: Int32s
    """Index in `Timeline.names`: the JSON that ORT writes; NONE where the profile does not say."""
    first_span: Int32s
    """The first execution with them."""
    executions: Int64s
    host_ns: Int64s
    watched: Int64s
    """How many of the executions were in runs that torch's profiler watched."""
    device_ns: Int64s
    """Summed device time of what those launched; NONE where none was watched."""
    operand_bytes: Int64s
    """Size of all inputs and outputs of the watched executions; NONE where it can't be told, and for `READ_IN_PART`."""

    def of(self, node: int) -> Int64s:
        """The rows of one node."""
        return np.arange(np.searchsorted(self.node, node), np.searchsorted(self.node, node, side="right"))

    def bandwidth(self, nodes: int) -> Int64s:
        """For each of `nodes` nodes, its operands' bytes over its device time, in bytes per second; NONE where one of
        the two is unknown or none.

        A kernel that reads each operand once moves them at this rate; more passes move more. Operands that the L2 cache
        holds come faster than memory gives them, and a strided 1×1 `Conv` does not need all of its input.
        """
        known = (self.device_ns > 0) & (self.operand_bytes != NONE)
        missing = np.bincount(self.node[(self.device_ns > 0) & ~known], minlength=nodes) > 0
        size_bytes, device_ns = (
            np.bincount(self.node[known], weights=column[known], minlength=nodes)
            for column in (self.operand_bytes, self.device_ns)
        )
        told = (device_ns > 0) & ~missing
        found = np.full(nodes, NONE, np.int64)
        found[told] = size_bytes[told] * 1e9 / device_ns[told]
        return found


def compute_node_shapes(timeline: Timeline) -> NodeShapes:
    """Group the executions of nodes by their input shapes."""
    spans, executed = timeline.spans, timeline.node_spans
    names = len(timeline.names) + 1
    keys = executed.node.astype(np.int64) * names + executed.input_shapes + 1
    distinct, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.lexsort((first, distinct // names))
    row = np.empty(len(order), np.int64)
    row[order] = np.arange(len(order))
    group, distinct, first = row[group], distinct[order], first[order]
    node, shapes = (distinct // names).astype(np.int32), (distinct % names - 1).astype(np.int32)
    watched = np.append(gpu_traced(timeline), False)[timeline.links.run[executed.span]]
    count = np.bincount(group[watched], minlength=len(node))
    device_ns = sum_by_group(group[watched], _device_ns(timeline)[watched], len(node))
    output_bytes = sum_by_group(group[watched], executed.output_bytes[watched], len(node))
    return NodeShapes(
        node=node,
        shapes=shapes,
        first_span=executed.span[first],
        executions=np.bincount(group, minlength=len(node)),
        host_ns=sum_by_group(group, spans.duration_ns[executed.span], len(node)),
        watched=count,
        device_ns=np.where(count > 0, device_ns, NONE),
        operand_bytes=_operand_bytes(timeline, node, shapes, count, output_bytes),
    )


def _device_ns(timeline: Timeline) -> Int64s:
    """Device time of what each execution launched."""
    spans, ops, executed = timeline.spans, timeline.device_ops.span, timeline.node_spans.span
    around = timeline.links.node_span[ops]
    ops, around = ops[around != NONE], around[around != NONE]
    return sum_by_group(np.searchsorted(executed, around), spans.duration_ns[ops], len(executed))


def _operand_bytes(timeline: Timeline, node: Int32s, shapes: Int32s, count: Int64s, output_bytes: Int64s) -> Int64s:
    names, input_bytes = timeline.names, np.full(len(timeline.names) + 1, NONE, np.int64)
    for name in np.unique(shapes[shapes != NONE]).tolist():
        size_bytes = tensors_bytes(names[name])
        input_bytes[name] = NONE if size_bytes is None else size_bytes
    known = (input_bytes[shapes] != NONE) & (count > 0) & (output_bytes > 0) & ~_read_in_part(timeline)[node]
    return np.where(known, input_bytes[shapes] * count + output_bytes, NONE)


def _read_in_part(timeline: Timeline) -> Bools:
    op_type = timeline.nodes.op_type
    chosen = [name for name in np.unique(op_type).tolist() if timeline.names[name] in READ_IN_PART]
    return np.isin(op_type, chosen)
