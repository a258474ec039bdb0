"""Whether the host or the GPU sets the pace of a session's runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.runs.run_phases import DividedBy, RunPhases
from ortprobe.analysis.runs.run_times import ORT_AND_TORCH, TORCH_ALONE, RunTimes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import Intervals, union


class Bound(StrEnum):
    """What sets the pace of a session's runs, by what its median steady run shows.

    The thresholds are proposals: half a GPU idle while the host launches, nothing left to wait for behind it; and a
    wait behind it that is much longer, or a GPU that is hardly ever idle.
    """

    LAUNCH = "launch"
    """The host: while it launches, the device is busy for less than `HALF_BUSY` of the time, and behind that hardly
    anything is left to wait for: less than `SHORT_DRAIN` of the latency. Launching, or what the host does between
    launches, such as nodes on the CPU."""
    GPU = "gpu"
    """The device: the host waits for it for `LONG_DRAIN` of the latency or more, or it is busy for `ALWAYS_BUSY` of the
    time in which the host launches, or more."""
    OTHERS = "others"
    """The device likewise, with work of others: the session's own kept it busy for less than `HALF_BUSY` of the
    latency."""
    MIXED = "mixed"
    """None of these."""
    UNKNOWN = "unknown"
    """No steady run was watched that launched anything, or nothing says what its waits waited for. Or ORT's profile was
    attached to all of them, which makes runs of a GPU-bound session half as long again, and the host set their pace."""


HALF_BUSY, ALWAYS_BUSY = 0.5, 0.9
SHORT_DRAIN, LONG_DRAIN = 0.1, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBound:
    """Facts about the steady runs of one session that torch's profiler watched: those with torch's profiler alone where
    there are any, else those with ORT's profile too, which slows launching down. Torch's own slows it down as well, so
    that a session which is GPU-bound without tracing may be launch-bound with it, not the other way round."""

    session: int
    bound: Bound
    runs: int
    """How many runs the medians are of."""
    with_profile: bool
    """Whether ORT's profile was attached to them."""
    latency_ns: int | None
    launching_ns: int | None
    """`Execute`; without ORT's profile, from the first launch to the end of the last one."""
    busy_share: float | None
    """Of `launching_ns`, how much the run's device was busy with anything, other sessions' work too."""
    own_share: float | None
    """Of the latency, how long the runs' own work kept the device busy."""
    drain_share: float | None
    """Of the latency, how much the host stalled behind that (`RunPhases.drain_ns`)."""
    ahead_ns: int | None
    """How far launches run ahead: start of the kernel less the end of its launch, the median of all kernels. A few µs
    are the launch itself: the device waits for the host."""
    kernel_ns: int | None
    """Duration of a kernel, the median."""


def compute_bounds(timeline: Timeline, times: RunTimes, phases: RunPhases) -> tuple[SessionBound, ...]:
    """One for each session that has runs, in their order."""
    runs = timeline.runs
    start_ns, end_ns = _launching(timeline, phases)
    device = _devices(timeline)
    usable = times.steady & gpu_traced(timeline) & (phases.divided_by != DividedBy.NOTHING) & (device != NONE)
    busy_ns = _busy_ns(timeline, device, (start_ns, end_ns))
    busy_share = busy_ns / np.maximum(end_ns - start_ns, 1)
    drain_share = phases.drain_ns / np.maximum(times.latency_ns, 1)
    own_share = times.device_busy_ns / np.maximum(times.latency_ns, 1)
    work = _Launched.of(timeline)
    found = []
    for session in np.unique(runs.session[runs.session != NONE]).tolist():
        chosen, attached = _alike(usable & (runs.session == session), times)
        drained = chosen & (phases.drain_ns != NONE)
        shares = _median(busy_share[chosen]), _median(drain_share[drained]), _median(own_share[chosen])
        with_profile = attached == ORT_AND_TORCH
        kernels = work.of_runs(chosen)
        found.append(
            SessionBound(
                session=session,
                bound=bound_of(*shares, with_profile=with_profile),
                runs=int(chosen.sum()),
                with_profile=with_profile,
                latency_ns=_whole(_median(times.latency_ns[chosen])),
                launching_ns=_whole(_median((end_ns - start_ns)[chosen])),
                busy_share=shares[0],
                drain_share=shares[1],
                own_share=shares[2],
                ahead_ns=_whole(_median(work.ahead_ns[kernels])),
                kernel_ns=_whole(_median(work.duration_ns[kernels])),
            )
        )
    return tuple(found)


def bound_of(
    busy_share: float | None, drain_share: float | None, own_share: float | None, *, with_profile: bool
) -> Bound:
    """What these shares of a run say; see `Bound`."""
    if busy_share is None or drain_share is None or own_share is None:
        return Bound.UNKNOWN
    if drain_share >= LONG_DRAIN or busy_share >= ALWAYS_BUSY:
        return Bound.GPU if own_share >= HALF_BUSY else Bound.OTHERS
    if with_profile:
        return Bound.UNKNOWN
    return Bound.LAUNCH if busy_share < HALF_BUSY and drain_share < SHORT_DRAIN else Bound.MIXED


def _alike(usable: Bools, times: RunTimes) -> tuple[Bools, int]:
    """Runs that had the same attached, the least of what there is."""
    for attached in (TORCH_ALONE, ORT_AND_TORCH):
        chosen = usable & (times.attached == attached)
        if chosen.any():
            return chosen, attached
    return np.zeros(len(usable), np.bool_), TORCH_ALONE


def _launching(timeline: Timeline, phases: RunPhases) -> Intervals:
    """When each run launched its work; meaningless where nothing divides it."""
    runs = timeline.runs
    profiled = phases.divided_by == DividedBy.PROFILE
    before_ns = np.maximum(phases.host_before_ns, 0) + phases.input_copies_ns
    start_ns = runs.start_ns + np.where(profiled, before_ns, phases.before_launch_ns)
    return start_ns, start_ns + np.where(profiled, phases.execute_ns, phases.launching_ns)


def _devices(timeline: Timeline) -> Int32s:
    """The device of each run's first work; NONE for runs without work."""
    ops = timeline.device_ops
    run = timeline.links.run[ops.span]
    device = np.full(len(timeline.runs), NONE, np.int32)
    device[run[run != NONE][::-1]] = ops.device[run != NONE][::-1]
    return device


def _busy_ns(timeline: Timeline, device: Int32s, stretches: Intervals) -> Int64s:
    """How long each run's device was busy in its stretch."""
    spans, ops = timeline.spans, timeline.device_ops
    busy_ns = np.zeros(len(device), np.int64)
    for number, rows in rows_by_value(ops.device):
        mine = np.flatnonzero(device == number)
        busy = union(spans.start_ns[ops.span[rows]], spans.end_ns[ops.span[rows]])
        busy_ns[mine] = covered_ns(busy, (stretches[0][mine], stretches[1][mine]))
    return busy_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launched:
    """Kernels of runs that have their launch."""

    run: Int32s
    ahead_ns: Int64s
    duration_ns: Int64s

    @classmethod
    def of(cls, timeline: Timeline) -> _Launched:
        spans, links = timeline.spans, timeline.links
        kernels = spans.of_kind(Kind.KERNEL)
        kernels = kernels[(links.run[kernels] != NONE) & (links.launch[kernels] != NONE)]
        return cls(
            run=links.run[kernels],
            ahead_ns=spans.start_ns[kernels] - spans.end_ns[links.launch[kernels]],
            duration_ns=spans.duration_ns[kernels],
        )

    def of_runs(self, runs: Bools) -> Bools:
        return np.asarray(runs[self.run], np.bool_)


def _median(values: Int64s | NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if len(values) else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
