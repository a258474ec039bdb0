"""The chain of work that made each run take its time, over host and device, back from its end to its start.

From the end of a run one goes back along the thread that made it to the last wait that stalled it, over to the work
that was waited for, from there to whatever held that work back (`dependencies`), and so on until the run's start. The
pieces follow one another without holes or overlaps, so their lengths sum to the run's latency exactly.

A thread that waits for another one without a CUDA call, on a lock or a queue, is not followed: the time is the host's.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.host_activity import HostActivity
from ortprobe.analysis.idle.pieces import Pieces, split
from ortprobe.analysis.path.dependencies import Dependencies, HeldBy
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline, UInt8s
from ortprobe.timeline.groups import rows_by_value


class PathKind(StrEnum):
    """What the time of a piece went into."""

    DEVICE = "device"
    """Device work ran."""
    HOST = "host"
    """The thread did something before it launched the next work of the path, or before the run returned."""
    LAUNCH = "launch"
    """From the start of the launching call to the start of the work."""
    STREAM_GAP = "stream-gap"
    """Between two pieces of work of one stream, the second already queued."""
    EVENT_GAP = "event-gap"
    """From the end of work on one stream to the start of the work of another that waited for it."""
    RETURN = "return"
    """From the end of work to the return of the host call that waited for it."""
    UNEXPLAINED = "unexplained"
    """In front of device work of which the trace has no launch."""


PATH_KINDS = tuple(PathKind)
"""Columns name a kind by its position in here."""
_DEVICE, _HOST, _RETURN = (PATH_KINDS.index(kind) for kind in (PathKind.DEVICE, PathKind.HOST, PathKind.RETURN))
_KIND_OF_HOLD = {
    held_by.value: PATH_KINDS.index(kind)
    for held_by, kind in (
        (HeldBy.LAUNCH, PathKind.LAUNCH),
        (HeldBy.STREAM, PathKind.STREAM_GAP),
        (HeldBy.EVENT, PathKind.EVENT_GAP),
        (HeldBy.UNKNOWN, PathKind.UNEXPLAINED),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalPaths:
    """Pieces of the paths of all runs that a torch trace watched, run by run, each in time order."""

    run: Int32s
    """Row in `Timeline.runs`."""
    start_ns: Int64s
    end_ns: Int64s
    kind: UInt8s
    """Position in `PATH_KINDS`."""
    cause: UInt8s
    """HOST: what the thread was doing, as a position in `CAUSES`. Meaningless for other kinds."""
    span: Int32s
    """DEVICE and what is in front of it: the work. HOST: the span that the thread was in. RETURN: the call. NONE where
    the thread was in none."""

    def __len__(self) -> int:
        return len(self.run)

    def by_run(self, runs: int) -> Int64s:
        """How long each run spent in each kind, shape (runs, kinds). A row of a run that was watched sums to its
        latency; a row of any other is 0."""
        sums = np.zeros((runs, len(PATH_KINDS)), np.int64)
        np.add.at(sums, (self.run, self.kind), self.end_ns - self.start_ns)
        return sums


def compute_critical_paths(
    timeline: Timeline, waits: WaitTimes, dependencies: Dependencies, activity: HostActivity
) -> CriticalPaths:
    """The path of every run that a torch trace watched."""
    walker = _Walker(timeline, waits, dependencies)
    runs = timeline.runs
    steps: list[_Step] = []
    for run in np.flatnonzero(gpu_traced(timeline)).tolist():
        steps += reversed(walker.path(run, int(runs.lane[run]), int(runs.start_ns[run]), int(runs.end_ns[run])))
    table = np.array(steps, np.int64).reshape(-1, 6)
    return _with_causes(table, activity)


_Step = tuple[int, int, int, int, int, int]
"""(run, start, end, kind, span, lane); the lane of a HOST piece, NONE for others."""


class _Walker:
    """Goes back from the end of runs. All that it looks things up in are lists: a path visits one thing at a time."""

    def __init__(self, timeline: Timeline, waits: WaitTimes, dependencies: Dependencies) -> None:
        spans, ops = timeline.spans, timeline.device_ops.span
        self._span = ops.tolist()
        self._start_ns, self._end_ns = spans.start_ns[ops].tolist(), spans.end_ns[ops].tolist()
        launch = timeline.links.launch[ops]
        self._lane = np.where(launch == NONE, NONE, spans.lane[launch]).tolist()
        self._launch_ns = dependencies.launch_ns.tolist()
        self._previous, self._awaited = dependencies.previous.tolist(), dependencies.awaited.tolist()
        self._held_by = dependencies.held_by.tolist()
        self._waits_of = _stalls_by_thread(timeline, waits)

    def path(self, run: int, lane: int, start_ns: int, end_ns: int) -> list[_Step]:
        """The steps from the end to the start, each as far as it lies in [start_ns, end_ns]."""
        steps: list[_Step] = []
        now_ns, work = end_ns, NONE
        earlier: dict[int, int] = {}
        visited: set[int] = set()

        def step_back(to_ns: int, kind: int, span: int, lane: int = NONE) -> None:
            nonlocal now_ns
            to_ns = max(to_ns, start_ns)
            if to_ns < now_ns:
                steps.append((run, to_ns, now_ns, kind, span, lane))
                now_ns = to_ns

        while now_ns > start_ns:
            if work == NONE:
                wait_end_ns, call, waited = self._last_stall(lane, now_ns, earlier)
                step_back(wait_end_ns, _HOST, NONE, lane)
                if wait_end_ns > start_ns:
                    step_back(self._end_ns[waited], _RETURN, call)
                    work = waited
                continue
            step_back(self._start_ns[work], _DEVICE, self._span[work])
            held_by = self._held_by[work]
            kind, span = _KIND_OF_HOLD[held_by], self._span[work]
            if work in visited:  # a trace that names waits on what comes later can send one round in a circle
                step_back(start_ns, _KIND_OF_HOLD[HeldBy.UNKNOWN], span)
            visited.add(work)
            if held_by == HeldBy.LAUNCH:
                step_back(self._launch_ns[work], kind, span)
                lane, work = self._lane[work], NONE
            elif held_by == HeldBy.UNKNOWN:
                step_back(start_ns, kind, span)
            else:
                before = self._previous[work] if held_by == HeldBy.STREAM else self._awaited[work]
                step_back(self._end_ns[before], kind, span)
                work = before
        return steps

    def _last_stall(self, lane: int, by_ns: int, earlier: dict[int, int]) -> tuple[int, int, int]:
        """(end of the call, the call, row of the work) of the thread's last wait that stalled it and was over by then;
        an end of -1 when there is none.

        `earlier` keeps how many waits of each thread come before those that the path has been through: no wait is
        visited twice, whatever a trace claims about its times.
        """
        stalls = self._waits_of.get(lane)
        if stalls is None:
            return -1, NONE, NONE
        end_ns, call, work = stalls
        row = min(bisect_right(end_ns, by_ns), earlier.get(lane, len(end_ns))) - 1
        earlier[lane] = row
        return (end_ns[row], call[row], work[row]) if row >= 0 else (-1, NONE, NONE)


def _stalls_by_thread(timeline: Timeline, waits: WaitTimes) -> dict[int, tuple[list[int], list[int], list[int]]]:
    """For each thread the ends of its stalling waits, rising, with their calls and the rows of the work waited for."""
    stalled = np.flatnonzero(waits.by_host & (waits.stall_ns > 0) & (waits.work != NONE))
    stalled = stalled[np.argsort(waits.end_ns[stalled], kind="stable")]
    work = np.searchsorted(timeline.device_ops.span, waits.work)
    return {
        lane: (waits.end_ns[mine].tolist(), waits.span[mine].tolist(), work[mine].tolist())
        for lane, rows in rows_by_value(waits.waiter_lane[stalled])
        for mine in (stalled[rows],)
    }


def _with_causes(table: Int64s, activity: HostActivity) -> CriticalPaths:
    """Cut the host's pieces by what the thread was doing meanwhile."""
    run, start_ns, end_ns, kind, span, lane = table.T
    whole = Pieces(
        gap=np.arange(len(run), dtype=np.int32),
        start_ns=start_ns,
        end_ns=end_ns,
        cause=np.full(len(run), CAUSES.index(IdleCause.PYTHON), np.uint8),
        because=span.astype(np.int32),
    )
    is_host = kind == _HOST
    parts = [whole.rows(~is_host)]
    for thread in np.unique(lane[is_host]).tolist():
        parts.append(split(whole.rows(is_host & (lane == thread)), activity.of_thread(thread)))
    pieces = Pieces.joined(parts)
    order = np.lexsort((pieces.start_ns, run[pieces.gap]))
    gap = pieces.gap[order]
    return CriticalPaths(
        run=run[gap].astype(np.int32),
        start_ns=pieces.start_ns[order],
        end_ns=pieces.end_ns[order],
        kind=kind[gap].astype(np.uint8),
        cause=pieces.cause[order],
        span=pieces.because[order],
    )
