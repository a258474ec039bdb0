"""What nodes on the CPU cost a session that has the GPU for others: they themselves, and the copies there and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.nodes.node_runs import NodeRuns
from ortprobe.analysis.nodes.own_time import own_host_ns
from ortprobe.analysis.nodes.placement import cpu_nodes, memcpy_nodes
from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.waits.wait_times import ROLES, WaitRole, WaitTimes
from ortprobe.timeline import NONE, Bools, Int64s, Timeline
from ortprobe.timeline.groups import sum_by_group


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """Of one session. Times are medians over its runs, steady ones where there are any."""

    session: int
    cpu_nodes: int
    memcpy_nodes: int
    runs: int
    """How many runs with ORT's profile there are."""
    cpu_ns: int
    """Host time of the nodes on the CPU in a run: they compute meanwhile."""
    memcpy_ns: int
    """Host time of the Memcpy nodes in a run."""
    wait_ns: int | None
    """Host time in `Execute` of waits between nodes: ORT waits for an event behind the copy before it runs a node on
    the CPU (`cudaEventSynchronize`, seen with 1.31.1 on an H100). None where no GPU trace watched a run."""
    stall_ns: int | None
    """How long these and the waits inside Memcpy nodes stalled the run, for the copies and whatever the GPU had to do
    before; None where the trace does not say."""
    copy_ns: int | None
    """Device time of the copies that the Memcpy nodes launched; None where no GPU trace watched a run."""
    first_span: int
    """A span to show for it: the longest execution of a node on the CPU, or else of a Memcpy node."""

    @property
    def host_ns(self) -> int:
        """Host time of a run in all of these. The nodes would take some on the GPU, too."""
        return self.cpu_ns + self.memcpy_ns + (self.wait_ns or 0)


def compute_detours(timeline: Timeline, times: RunTimes, waits: WaitTimes, node_runs: NodeRuns) -> tuple[Detour, ...]:
    """One for each session that has nodes on the CPU beside others, or Memcpy nodes."""
    on_cpu, copies = _on_cpu(timeline), memcpy_nodes(timeline)
    found = []
    for session in np.unique(timeline.nodes.session[on_cpu | copies]).tolist():
        detour = _detour(timeline, times, waits, node_runs, session, on_cpu, copies)
        if detour is not None:
            found.append(detour)
    return tuple(found)


def _detour(
    timeline: Timeline, times: RunTimes, waits: WaitTimes, node_runs: NodeRuns, session: int, on_cpu: Bools,
    copies: Bools,
) -> Detour | None:  # fmt: skip
    executed, runs, links = timeline.node_spans, timeline.runs, timeline.links
    mine = timeline.nodes.session == session
    of_run = links.run[executed.span]
    own_ns, run_count = own_host_ns(timeline), len(runs)
    profiled = (runs.session == session) & (runs.execute_span != NONE)
    chosen = profiled & times.steady if (profiled & times.steady).any() else profiled
    if not chosen.any():
        return None
    cpu, memcpy = ((on_cpu & mine)[executed.node] & (of_run != NONE), (copies & mine)[executed.node] & (of_run != NONE))
    watched = chosen & node_runs.counted
    copied = copies[node_runs.node] & (node_runs.run != NONE)
    copy_ns = sum_by_group(node_runs.run[copied], node_runs.device_ns[copied], run_count)
    wait_ns, stall_ns = _waits_of(timeline, waits, copies, watched)
    either = np.flatnonzero(cpu if cpu.any() else memcpy)
    longest = either[np.argmax(own_ns[either])]
    return Detour(
        session=session,
        cpu_nodes=int((on_cpu & mine).sum()),
        memcpy_nodes=int((copies & mine).sum()),
        runs=int(chosen.sum()),
        cpu_ns=_median(sum_by_group(of_run[cpu], own_ns[cpu], run_count)[chosen]),
        memcpy_ns=_median(sum_by_group(of_run[memcpy], own_ns[memcpy], run_count)[chosen]),
        wait_ns=wait_ns,
        stall_ns=stall_ns,
        copy_ns=_median(copy_ns[watched]) if watched.any() else None,
        first_span=int(executed.span[longest]),
    )


def between_nodes(timeline: Timeline, waits: WaitTimes, runs: Bools) -> Bools:
    """Which waits the host made inside `Execute` of these runs (a mask of `Timeline.runs`), and in no node."""
    spans, run, execute = timeline.spans, waits.run, timeline.runs.execute_span[waits.run]
    inside = (waits.start_ns >= spans.start_ns[execute]) & (waits.end_ns <= spans.end_ns[execute])
    of_run = waits.by_host & np.append(runs, False)[run] & (waits.role == ROLES.index(WaitRole.IN_RUN))
    return np.asarray(of_run & inside, np.bool_)


def _waits_of(timeline: Timeline, waits: WaitTimes, copies: Bools, runs: Bools) -> tuple[int | None, int | None]:
    """(time of waits between nodes, stall of these and of the waits in Memcpy nodes) of one of these runs, medians."""
    if not runs.any():
        return None, None
    run, between = waits.run, between_nodes(timeline, waits, runs)
    mine = waits.by_host & (run != NONE) & runs[run]
    node = timeline.links.node[np.where(waits.call == NONE, waits.span, waits.call)]
    in_copies = mine & (waits.role == ROLES.index(WaitRole.IN_NODE)) & (node != NONE) & copies[node]
    wait_ns = sum_by_group(run[between], (waits.end_ns - waits.start_ns)[between], len(runs))
    either = between | in_copies
    unknown = (waits.stall_ns[either] == NONE).any()
    stall_ns = None if unknown else _median(sum_by_group(run[either], waits.stall_ns[either], len(runs))[runs])
    return _median(wait_ns[runs]), stall_ns


def _on_cpu(timeline: Timeline) -> Bools:
    """Nodes on the CPU, of sessions that have nodes elsewhere too."""
    nodes = timeline.nodes
    on_cpu = cpu_nodes(timeline)
    return np.asarray(on_cpu & np.isin(nodes.session, nodes.session[~on_cpu]), np.bool_)


def _median(values: Int64s) -> int:
    return int(np.median(values))
