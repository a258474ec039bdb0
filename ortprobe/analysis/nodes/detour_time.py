"""When a session's runs were held up by nodes on the CPU, and by the copies between these and others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.nodes.detours import between_nodes
from ortprobe.analysis.nodes.own_time import own_host_ns
from ortprobe.analysis.nodes.placement import cpu_nodes, memcpy_nodes
from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline

COMPUTES_NS = 20_000
"""A node on the CPU that takes less than this computes next to nothing: shapes, indices and other scalars, which ORT
leaves to the CPU on purpose. Such nodes take 2 to 10 µs under ORT's profile (1.31.1 on the hosts of an H100)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetourTime:
    """Of one session that runs nodes elsewhere than on the CPU, over its steady runs with ORT's profile; all runs with
    a profile where none is steady. Columns in time order."""

    session: int
    runs: Int64s
    """Rows in `Timeline.runs`."""
    latency_ns: int
    """Of these runs, summed."""
    cpu_nodes: Int32s
    """Rows in `Timeline.nodes` of the nodes on the CPU whose median execution takes `COMPUTES_NS` or more."""
    small_nodes: int
    """How many other nodes on the CPU there are."""
    cpu_span: Int32s
    """Executions of `cpu_nodes` in these runs."""
    cpu_ns: Int64s
    """What each of them took, without nodes in its subgraphs."""
    memcpy_nodes: Int32s
    """Rows in `Timeline.nodes`."""
    memcpy_span: Int32s
    """Executions of Memcpy nodes in these runs, and the waits between nodes: ORT waits for the copy before it runs a
    node on the CPU."""
    memcpy_ns: Int64s


def compute_detour_times(timeline: Timeline, times: RunTimes, waits: WaitTimes) -> tuple[DetourTime, ...]:
    """One for each session with a profile that runs nodes elsewhere than on the CPU."""
    nodes, executed, spans = timeline.nodes, timeline.node_spans, timeline.spans
    on_cpu, copies = cpu_nodes(timeline), memcpy_nodes(timeline)
    own_ns, of_run = own_host_ns(timeline), timeline.links.run[executed.span]
    found = []
    for session in np.unique(nodes.session[~on_cpu]).tolist():
        profiled = (timeline.runs.session == session) & (timeline.runs.execute_span != NONE)
        chosen = profiled & times.steady if (profiled & times.steady).any() else profiled
        mine = np.append(chosen, False)[of_run] & (nodes.session[executed.node] == session)
        here = np.flatnonzero(on_cpu & (nodes.session == session))
        rows = np.flatnonzero(mine & on_cpu[executed.node])
        medians_ns = {node: _median(own_ns[rows[executed.node[rows] == node]]) for node in here.tolist()}
        computing = [node for node, median_ns in medians_ns.items() if median_ns >= COMPUTES_NS]
        of_cpu = rows[np.isin(executed.node[rows], computing)]
        of_copies = np.flatnonzero(mine & copies[executed.node])
        between = np.flatnonzero(between_nodes(timeline, waits, chosen)) if len(of_copies) else of_copies
        found.append(
            DetourTime(
                session=session,
                runs=np.flatnonzero(chosen),
                latency_ns=int(times.latency_ns[chosen].sum()),
                cpu_nodes=np.array(computing, np.int32),
                small_nodes=len(here) - len(computing),
                cpu_span=executed.span[of_cpu],
                cpu_ns=own_ns[of_cpu],
                memcpy_nodes=np.flatnonzero(copies & (nodes.session == session)).astype(np.int32),
                memcpy_span=np.concatenate((executed.span[of_copies], waits.span[between])),
                memcpy_ns=np.concatenate(
                    (spans.duration_ns[executed.span[of_copies]], (waits.end_ns - waits.start_ns)[between])
                ),
            )
        )
    return tuple(found)


def _median(values: Int64s) -> float:
    return float(np.median(values)) if len(values) else 0.0
