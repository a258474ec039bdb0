"""Waits that nodes on a GPU make themselves: until they are over the host launches nothing behind the node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.nodes.placement import cpu_nodes, memcpy_nodes
from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.waits.wait_times import ROLES, WaitRole, WaitTimes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWaits:
    """Columns with one entry for each wait, in time order, of those in steady runs that were watched by ORT's profile
    and a GPU trace. Memcpy nodes and nodes on the CPU are left out."""

    watched: Bools
    """For each row of `Timeline.runs`, whether it is one of these runs."""
    node: Int32s
    """Row in `Timeline.nodes`."""
    run: Int32s
    """Row in `Timeline.runs`."""
    span: Int32s
    """The CUDA call, or the record of a wait without one."""
    start_ns: Int64s
    end_ns: Int64s
    """Of the call."""
    stall_ns: Int64s
    """How much of it work was outstanding that it waited for; NONE where the trace does not say."""

    def __len__(self) -> int:
        return len(self.node)


def compute_node_waits(timeline: Timeline, times: RunTimes, waits: WaitTimes) -> NodeWaits:
    """The waits of the host inside nodes on a GPU."""
    watched = times.steady & gpu_traced(timeline) & (timeline.runs.execute_span != NONE)
    call = np.where(waits.call == NONE, waits.span, waits.call)
    node = timeline.links.node[call]
    others = np.append(cpu_nodes(timeline) | memcpy_nodes(timeline), True)
    inside = (waits.role == ROLES.index(WaitRole.IN_NODE)) & waits.by_host & (timeline.links.node_span[call] != NONE)
    rows = np.flatnonzero(inside & ~others[node] & np.append(watched, False)[waits.run])
    return NodeWaits(
        watched=np.asarray(watched, np.bool_),
        node=node[rows],
        run=waits.run[rows],
        span=call[rows],
        start_ns=waits.start_ns[rows],
        end_ns=waits.end_ns[rows],
        stall_ns=waits.stall_ns[rows],
    )
