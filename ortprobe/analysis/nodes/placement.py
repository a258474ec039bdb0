"""Nodes by what they are there for: those on the CPU, copies between these and others, and those that move elements."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import NONE, Bools, Int32s, Timeline

CPU_PROVIDER = "CPUExecutionProvider"
MEMCPY_OPS = frozenset({"MemcpyToHost", "MemcpyFromHost"})
"""Nodes that ORT puts between nodes on the CPU and others (`memcpy_transformer.cc`)."""

LAYOUT_OPS = frozenset({"Transpose", "ReorderInput", "ReorderOutput"})
"""Operators that move elements without computing: `Transpose`, also where ORT put it in for an execution provider that
wants NHWC, and those that ORT puts around NCHWc convolutions on the CPU. `NhwcMaxPool` and the like compute."""
CAST_OPS = frozenset({"Cast", "CastLike"})


def cpu_nodes(timeline: Timeline) -> Bools:
    """Shape (nodes,): whether a node runs on the CPU, alone there or beside others."""
    return _named(timeline, timeline.nodes.provider, frozenset({CPU_PROVIDER}))


def memcpy_nodes(timeline: Timeline) -> Bools:
    """Shape (nodes,): whether a node is one of `MEMCPY_OPS`."""
    return _named(timeline, timeline.nodes.op_type, MEMCPY_OPS)


def moving_nodes(timeline: Timeline) -> Bools:
    """Shape (nodes,): whether a node is one of `LAYOUT_OPS` or `CAST_OPS`, on a GPU."""
    moves = _named(timeline, timeline.nodes.op_type, LAYOUT_OPS | CAST_OPS)
    return np.asarray(moves & ~cpu_nodes(timeline), np.bool_)


def _named(timeline: Timeline, column: Int32s, wanted: frozenset[str]) -> Bools:
    chosen = [name for name in np.unique(column).tolist() if name != NONE and timeline.names[name] in wanted]
    return np.isin(column, chosen)
