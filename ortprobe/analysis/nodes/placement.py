"""Where ORT placed nodes: on the CPU, and the Memcpy nodes that it put between these and others."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import NONE, Bools, Int32s, Timeline

CPU_PROVIDER = "CPUExecutionProvider"
MEMCPY_OPS = frozenset({"MemcpyToHost", "MemcpyFromHost"})
"""Nodes that ORT puts between nodes on the CPU and others (`memcpy_transformer.cc`)."""


def cpu_nodes(timeline: Timeline) -> Bools:
    """Shape (nodes,): whether a node runs on the CPU, alone there or beside others."""
    return _named(timeline, timeline.nodes.provider, frozenset({CPU_PROVIDER}))


def memcpy_nodes(timeline: Timeline) -> Bools:
    """Shape (nodes,): whether a node is one of `MEMCPY_OPS`."""
    return _named(timeline, timeline.nodes.op_type, MEMCPY_OPS)


def _named(timeline: Timeline, column: Int32s, wanted: frozenset[str]) -> Bools:
    chosen = [name for name in np.unique(column).tolist() if name != NONE and timeline.names[name] in wanted]
    return np.isin(column, chosen)
