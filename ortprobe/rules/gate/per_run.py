"""Figures of a run, on average over steady ones that torch's profiler watched from their begin to the next run's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.trust.claims import Claim
from ortprobe.analysis.waits.wait_groups import lines_of
from ortprobe.analysis.waits.wait_times import ROLES, WaitRole
from ortprobe.rules.gate.measured import Measured, Metric, Unit, counted, unknown
from ortprobe.rules.silent_cpu import GPU_PROVIDERS
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline, traced_windows

SYNCS = (WaitRole.PROGRAM, WaitRole.BLOCKING_COPY, WaitRole.IN_NODE, WaitRole.IN_RUN)
"""Waits of the host that the program or a node makes. ORT's own at the end of a run are in every run."""
_NOT_OF_RUNS = (WaitRole.PROFILER, WaitRole.SESSION_CREATION)
_MOST_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Iterations:
    """Runs, each with what came after it until the next run of its process began."""

    chosen: Bools
    """For each row of `Timeline.runs`, whether it is steady, and was watched until the next one began."""
    _timeline: Timeline
    _process: Int64s

    @staticmethod
    def of(analyses: Analyses) -> Iterations:
        timeline = analyses.timeline
        of_lane = np.array([lane.process for lane in timeline.lanes], np.int64)
        process = of_lane[timeline.runs.lane]
        watched = gpu_traced(timeline)
        whole = np.zeros(len(timeline.runs), np.bool_)
        for number in np.unique(process).tolist():
            rows = np.flatnonzero(process == number)
            begin_ns, end_ns = traced_windows(timeline.spans, timeline.sources, number)
            start_ns = timeline.runs.start_ns[rows]
            window = np.searchsorted(begin_ns, start_ns, side="right") - 1
            inside = watched[rows] & (window >= 0) & (start_ns <= np.append(end_ns, 0)[window])
            whole[rows[:-1]] = inside[:-1] & inside[1:] & (window[:-1] == window[1:])
        return Iterations(chosen=whole & analyses.runs.steady, _timeline=timeline, _process=process)

    @property
    def count(self) -> int:
        """How many were chosen."""
        return int(self.chosen.sum())

    def hold(self, spans: Int32s) -> Bools:
        """For each span of the host, whether it began in one of the chosen iterations of its process."""
        timeline, found = self._timeline, np.zeros(len(spans), np.bool_)
        process = np.array([lane.process for lane in timeline.lanes], np.int64)[timeline.spans.lane[spans]]
        for number in np.unique(self._process).tolist():
            rows, mine = np.flatnonzero(self._process == number), np.flatnonzero(process == number)
            before = np.searchsorted(timeline.runs.start_ns[rows], timeline.spans.start_ns[spans[mine]], side="right")
            found[mine] = (before > 0) & self.chosen[rows[before - 1]]
        return found


def _per_run(analyses: Analyses, count: Callable[[Iterations], Measured]) -> Measured:
    """What `count` gives for all chosen iterations, for one of them; 0 for a program that has no GPU to use."""
    if _without_gpu(analyses):
        return Measured(low=0, high=0)
    iterations = Iterations.of(analyses)
    if not iterations.count:
        return unknown("torch's profiler watched no steady run together with the begin of the next one")
    found, runs = count(iterations), iterations.count
    return Measured(
        low=found.low / runs,
        high=None if found.high is None else found.high / runs,
        why=found.why,
        where=found.where,
        names=found.names,
    )


def _without_gpu(analyses: Analyses) -> bool:
    """Whether the process had no GPU, as far as torch and its sessions say."""
    capture, sessions = analyses.timeline.capture, analyses.timeline.sessions
    known = all(session.providers for session in sessions if not session.error)
    used = any(set(session.providers) & set(GPU_PROVIDERS) for session in sessions)
    seen = len(analyses.timeline.device_ops.span) > 0
    return capture.hooked and not capture.devices and known and not used and not seen


def _syncs(analyses: Analyses) -> Measured:
    return _per_run(analyses, lambda iterations: _waits(analyses, iterations, SYNCS, by_host=True))


def _all_waits(analyses: Analyses) -> Measured:
    roles = tuple(role for role in WaitRole if role not in _NOT_OF_RUNS)
    return _per_run(analyses, lambda iterations: _waits(analyses, iterations, roles, by_host=False))


def _waits(analyses: Analyses, iterations: Iterations, roles: tuple[WaitRole, ...], *, by_host: bool) -> Measured:
    """Waits in these roles. Those of which only the record is there may be any."""
    waits = analyses.waits
    inside = iterations.hold(np.where(waits.call == NONE, waits.span, waits.call).astype(np.int32))
    inside &= waits.by_host | (not by_host)
    chosen = np.flatnonzero(inside & np.isin(waits.role, [ROLES.index(role) for role in roles]))
    homeless = 0 if WaitRole.UNKNOWN in roles else int((inside & (waits.role == ROLES.index(WaitRole.UNKNOWN))).sum())
    lines = Counter(line for line in lines_of(analyses.timeline, waits, chosen) if line is not None)
    where = tuple(line for line, _ in lines.most_common(_MOST_LINES))
    found = counted(analyses, len(chosen), Claim.COUNTS, where=where)
    if found.high is None or not homeless:
        return found
    why = f"{homeless} waits left a record and no call, so who made them is not known"
    return Measured(low=found.low, high=found.low + homeless, why=why, where=where)


def _kernels(analyses: Analyses) -> Measured:
    """Kernels of the runs themselves, whatever else the program computes beside them."""

    def count(iterations: Iterations) -> Measured:
        run = analyses.timeline.links.run[analyses.timeline.spans.of_kind(Kind.KERNEL)]
        return counted(analyses, int(iterations.chosen[run[run != NONE]].sum()), Claim.COUNTS)

    return _per_run(analyses, count)


def _copies(analyses: Analyses) -> Measured:
    def count(iterations: Iterations) -> Measured:
        timeline = analyses.timeline
        launch = timeline.links.launch[timeline.spans.of_kind(Kind.MEMCPY)]
        return counted(analyses, int(iterations.hold(launch[launch != NONE]).sum()), Claim.COUNTS)

    return _per_run(analyses, count)


PER_RUN = (
    Metric(
        key="syncs_per_run",
        unit=Unit.PER_RUN,
        meaning="times that the program or a node holds the host up for the GPU",
        measure=_syncs,
    ),
    Metric(
        key="waits_per_run",
        unit=Unit.PER_RUN,
        meaning="all waits of the host and of streams, onnxruntime's own included",
        measure=_all_waits,
    ),
    Metric(key="kernels_per_run", unit=Unit.PER_RUN, meaning="kernels that a run launches", measure=_kernels),
    Metric(
        key="copies_per_run",
        unit=Unit.PER_RUN,
        meaning="copies that the device makes, in a run and around it",
        measure=_copies,
    ),
)
