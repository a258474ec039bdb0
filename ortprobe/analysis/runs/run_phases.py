"""What each run consists of: phases that follow one another and sum to its latency exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np

from ortprobe.analysis.busy import busy_by_group
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline, UInt8s
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES, KERNEL_LAUNCHES, base_name
from ortprobe.timeline.intervals import Intervals


class Phase(StrEnum):
    """A part of a run. The value is the name of its column in `RunPhases`, less `_ns`."""

    HOST_BEFORE = "host_before"
    INPUT_COPIES = "input_copies"
    EXECUTE = "execute"
    AFTER_EXECUTE = "after_execute"
    BEFORE_LAUNCH = "before_launch"
    LAUNCHING = "launching"
    AFTER_LAUNCH = "after_launch"
    DRAIN = "drain"
    OUTPUT_COPIES = "output_copies"
    FINISH = "finish"
    HOST_AFTER = "host_after"


class DividedBy(IntEnum):
    """What tells the phases of a run."""

    NOTHING = 0
    """No more than its beginning and end is known."""
    LAUNCHES = 1
    """CUDA calls in it: a run without ORT's profile, or the replay of a CUDA graph, which has no `Execute`."""
    PROFILE = 2
    """ORT's profile: `model_run` and `Execute`."""


BY_PROFILE = (Phase.HOST_BEFORE, Phase.INPUT_COPIES, Phase.EXECUTE, Phase.AFTER_EXECUTE, Phase.HOST_AFTER)
BY_LAUNCHES = (Phase.BEFORE_LAUNCH, Phase.LAUNCHING, Phase.AFTER_LAUNCH)
_TAILS = (Phase.AFTER_EXECUTE, Phase.AFTER_LAUNCH)
_PARTS_OF_TAIL = (Phase.DRAIN, Phase.OUTPUT_COPIES, Phase.FINISH)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPhases:
    """Columns parallel to `Timeline.runs`, in nanoseconds; NONE where nobody measured.

    All sums are exact. By ORT's profile: latency = host before + input copies + execute + after Execute + host after
    (the latency of a run that no hook saw is that of `model_run`, without host before and after). By launches: latency
    = before launch + launching + after launch. What comes after (Execute, else the last launch) = drain + output copies
    + finish, where these are known.

    ORT's times are whole microseconds: where they reach out of what is around them they are clipped.
    """

    divided_by: UInt8s
    """`DividedBy`, the profile before the launches."""
    host_before_ns: Int64s
    """Python call → `model_run`."""
    input_copies_ns: Int64s
    """`model_run` → first `Execute`: streams, handles, copies of host inputs."""
    execute_ns: Int64s
    """`Execute`: launching the nodes; on the CPU, computing them."""
    after_execute_ns: Int64s
    """`Execute` end → `model_run` end."""
    host_after_ns: Int64s
    """`model_run` end → return."""
    before_launch_ns: Int64s
    """Start of the run → its first launch of a kernel or a CUDA graph."""
    launching_ns: Int64s
    """Start of the first launch → end of the last one."""
    after_launch_ns: Int64s
    """End of the last launch → end of the run."""
    drain_ns: Int64s
    """After `Execute`, or the last launch: how long the host stalled on device work that was not done, less copies of
    outputs. NONE without a GPU trace, and where the trace does not say what a wait there waited for."""
    output_copies_ns: Int64s
    """In the same time: copies to the host that block it, from when the work in front of them was done."""
    finish_ns: Int64s
    """What is left of that time."""

    def of(self, run: int) -> Mapping[Phase, int]:
        """The phases of one run in their order, which sum to its latency; empty when nothing divides it."""
        if self.divided_by[run] == DividedBy.NOTHING:
            return {}
        coarse = BY_PROFILE if self.divided_by[run] == DividedBy.PROFILE else BY_LAUNCHES
        return self.measured(run, coarse if self.drain_ns[run] == NONE else in_parts(coarse))

    def measured(self, run: int, phases: Sequence[Phase]) -> Mapping[Phase, int]:
        """Those of the phases that are known of this run."""
        times_ns = {phase: int(self.column(phase)[run]) for phase in phases}
        return {phase: time_ns for phase, time_ns in times_ns.items() if time_ns != NONE}

    def column(self, phase: Phase) -> Int64s:
        """The column of a phase."""
        found: Int64s = getattr(self, f"{phase.value}_ns")
        return found


def in_parts(phases: Sequence[Phase]) -> tuple[Phase, ...]:
    """The same phases, with what comes after Execute or the launches in its parts."""
    parts = [_PARTS_OF_TAIL if phase in _TAILS else (phase,) for phase in phases]
    return tuple(phase for several in parts for phase in several)


def compute_phases(timeline: Timeline, waits: WaitTimes) -> RunPhases:
    """Phases of every run, as far as its sources tell them."""
    runs = timeline.runs
    run_start_ns, run_end_ns = _inside(timeline, runs.run_span, runs.start_ns, runs.end_ns)
    execute_start_ns, execute_end_ns = _inside(timeline, runs.execute_span, run_start_ns, run_end_ns)
    first_ns, last_ns = _launches(timeline)
    profiled, launched = runs.execute_span != NONE, first_ns != NONE
    hooked = (runs.hook_span != NONE) & (runs.run_span != NONE)
    tail = (np.where(profiled, execute_end_ns, last_ns), np.where(profiled, run_end_ns, runs.end_ns))
    resolved = gpu_traced(timeline) & (profiled | launched)
    drain_ns, output_copies_ns, finish_ns = _parts_of(timeline, waits, tail, resolved)

    def where(known: Bools, times_ns: Int64s) -> Int64s:
        return np.where(known, times_ns, NONE)

    return RunPhases(
        divided_by=np.select([profiled, launched], [DividedBy.PROFILE, DividedBy.LAUNCHES], 0).astype(np.uint8),
        host_before_ns=where(hooked, run_start_ns - runs.start_ns),
        input_copies_ns=where(profiled, execute_start_ns - run_start_ns),
        execute_ns=where(profiled, execute_end_ns - execute_start_ns),
        after_execute_ns=where(profiled, run_end_ns - execute_end_ns),
        host_after_ns=where(hooked, runs.end_ns - run_end_ns),
        before_launch_ns=where(launched, first_ns - runs.start_ns),
        launching_ns=where(launched, last_ns - first_ns),
        after_launch_ns=where(launched, runs.end_ns - last_ns),
        drain_ns=drain_ns,
        output_copies_ns=output_copies_ns,
        finish_ns=finish_ns,
    )


def launching(timeline: Timeline, calls: Int32s) -> Bools:
    """Which of these CUDA calls launch a kernel or a CUDA graph."""
    name = timeline.spans.name[calls]
    names = np.unique(name)
    launches = [base_name(timeline.names[each]) in (*KERNEL_LAUNCHES, *GRAPH_LAUNCHES) for each in names.tolist()]
    return np.isin(name, names[np.array(launches, np.bool_)])


def _inside(timeline: Timeline, span: Int32s, start_ns: Int64s, end_ns: Int64s) -> Intervals:
    """Bounds of the spans, clipped to what is around them; those of the surroundings where there is no span."""
    spans, missing = timeline.spans, span == NONE
    inner_start_ns = np.where(missing, start_ns, np.clip(spans.start_ns[span], start_ns, end_ns))
    inner_end_ns = np.where(missing, end_ns, np.clip(spans.end_ns[span], inner_start_ns, end_ns))
    return inner_start_ns, inner_end_ns


def _launches(timeline: Timeline) -> Intervals:
    """Start of each run's first launch and end of its last one, clipped to the run; NONE for runs without one."""
    spans, runs = timeline.spans, timeline.runs
    calls = spans.of_kind(Kind.CUDA_CALL)
    run = timeline.links.run[calls]
    calls, run = calls[run != NONE], run[run != NONE]
    chosen = launching(timeline, calls)
    calls, run = calls[chosen], run[chosen]
    first_ns, last_ns = np.full(len(runs), NONE, np.int64), np.full(len(runs), NONE, np.int64)
    # Calls are in time order, and of several values for one row the last one stays.
    first_ns[run[::-1]] = spans.start_ns[calls[::-1]]
    np.maximum.at(last_ns, run, spans.end_ns[calls])
    launched = first_ns != NONE
    first_ns = np.where(launched, np.clip(first_ns, runs.start_ns, runs.end_ns), NONE)
    return first_ns, np.where(launched, np.clip(last_ns, first_ns, runs.end_ns), NONE)


def _parts_of(timeline: Timeline, waits: WaitTimes, tail: Intervals, resolved: Bools) -> tuple[Int64s, Int64s, Int64s]:
    """(drain, output copies, the rest) of each run's tail, which they sum to."""
    chosen = np.flatnonzero(waits.by_host & (waits.run != NONE))
    run, call = waits.run[chosen], waits.call[chosen]
    start_ns, end_ns, stall_ns = waits.start_ns[chosen], waits.end_ns[chosen], waits.stall_ns[chosen]
    in_tail = end_ns > tail[0][run]
    known = resolved.copy()
    known[run[in_tail & (stall_ns == NONE)]] = False
    copied_from_ns = _copied_from(timeline, call)
    copies = copied_from_ns != NONE
    until_ns = np.where(copies, np.clip(copied_from_ns, start_ns, end_ns), start_ns + np.maximum(stall_ns, 0))
    count = len(timeline.runs)
    low_ns, high_ns = tail[0][run], tail[1][run]
    drain_ns = busy_by_group(run, np.clip(start_ns, low_ns, high_ns), np.clip(until_ns, low_ns, high_ns), count)
    to_ns = np.where(copies, end_ns, until_ns)
    both_ns = busy_by_group(run, np.clip(start_ns, low_ns, high_ns), np.clip(to_ns, low_ns, high_ns), count)
    parts_ns = (drain_ns, both_ns - drain_ns, tail[1] - tail[0] - both_ns)
    drain_ns, output_copies_ns, finish_ns = (np.where(known, part_ns, NONE) for part_ns in parts_ns)
    return drain_ns, output_copies_ns, finish_ns


def _copied_from(timeline: Timeline, calls: Int32s) -> Int64s:
    """For calls that made a copy: when the work in front of it on its stream was done. NONE for other calls."""
    spans, launch = timeline.spans, timeline.links.launch
    found = np.full(len(calls), NONE, np.int64)
    copies = spans.of_kind(Kind.MEMCPY)
    copies = copies[np.isin(launch[copies], calls[calls != NONE])]
    work = timeline.device_ops.span
    for lane in np.unique(spans.lane[copies]).tolist():
        of_stream = work[spans.lane[work] == lane]
        mine = copies[spans.lane[copies] == lane]
        before = np.searchsorted(of_stream, mine) - 1
        done_ns = np.where(before >= 0, spans.end_ns[of_stream[before]], 0)
        order = np.argsort(launch[mine], kind="stable")
        row = np.searchsorted(launch[mine], calls, sorter=order)
        row = order[np.minimum(row, len(order) - 1)]
        found = np.where(launch[mine][row] == calls, done_ns[row], found)
    return found
