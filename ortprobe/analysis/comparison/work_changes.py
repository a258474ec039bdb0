"""Kernels, idle time and waits of both sides, for each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.run_changes import Sides
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.waits.roles import WaitRole
from ortprobe.analysis.waits.wait_times import Waiter


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelChange:
    """A kernel, copy or fill by its name. Means over the watched steady runs of all captures of a side."""

    name: str
    before_count: float
    """Launched by each run; 0 where the side has none of the name."""
    after_count: float
    before_ns: float
    """Device time for each run."""
    after_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleChange:
    """Idle time of all devices with one cause, as recorded, spread over the watched runs."""

    cause: IdleCause
    before_ns: float
    after_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitChange:
    """Waits of one role, spread over the watched runs. A stall is None where no wait says what it waited for."""

    waiter: Waiter
    role: WaitRole
    before_count: float
    after_count: float
    before_stall_ns: float | None
    after_stall_ns: float | None


def kernel_changes(sides: Sides) -> tuple[KernelChange, ...]:
    """Of all names, the largest difference first; empty where a side has no watched steady run."""
    before, after = map(_kernels, sides)
    if before is None or after is None:
        return ()
    nothing = (0.0, 0.0)
    found = [
        KernelChange(
            name=name,
            before_count=before.get(name, nothing)[0],
            after_count=after.get(name, nothing)[0],
            before_ns=before.get(name, nothing)[1],
            after_ns=after.get(name, nothing)[1],
        )
        for name in dict.fromkeys((*before, *after))
    ]
    return tuple(sorted(found, key=lambda each: -abs(each.after_ns - each.before_ns)))


def _kernels(side: Sequence[Analyses]) -> dict[str, tuple[float, float]] | None:
    """By name how many a run launches, and for how long they work."""
    count, time_ns, runs = Counter[str](), Counter[str](), 0
    for analyses in side:
        timeline = analyses.timeline
        steady = analyses.runs.steady & gpu_traced(timeline)
        runs += int(steady.sum())
        ops = timeline.device_ops.span
        ops = ops[np.append(steady, False)[timeline.links.run[ops]]]
        names, row = np.unique(timeline.spans.name[ops], return_inverse=True)
        sums_ns = np.zeros(len(names), np.int64)
        np.add.at(sums_ns, row, timeline.spans.duration_ns[ops])
        for name, launched, sum_ns in zip(names.tolist(), np.bincount(row).tolist(), sums_ns.tolist(), strict=True):
            count[timeline.names[name]] += launched
            time_ns[timeline.names[name]] += sum_ns
    return {name: (count[name] / runs, time_ns[name] / runs) for name in count} if runs else None


def idle_changes(sides: Sides) -> tuple[IdleChange, ...]:
    """Of all causes, the largest difference first; empty where a side has no watched run, or no device work."""
    before, after = map(_idle, sides)
    if before is None or after is None:
        return ()
    found = [
        IdleChange(cause=cause, before_ns=before.get(cause, 0.0), after_ns=after.get(cause, 0.0))
        for cause in dict.fromkeys((*before, *after))
    ]
    return tuple(sorted(found, key=lambda each: -abs(each.after_ns - each.before_ns)))


def _idle(side: Sequence[Analyses]) -> dict[IdleCause, float] | None:
    sums, runs = Counter[IdleCause](), _watched(side)
    for analyses in side:
        for device in analyses.idle.devices:
            sums.update(device.idle_by_cause)
    return {cause: time_ns / runs for cause, time_ns in sums.items()} if runs and sums else None


def wait_changes(sides: Sides) -> tuple[WaitChange, ...]:
    """Of all roles, the largest difference of stalls first; empty where a side has no watched run."""
    counts = [_waits(side) for side in sides]
    if None in counts:
        return ()
    before, after = ({} if each is None else each for each in counts)
    nothing = (0.0, 0.0)
    found = [
        WaitChange(
            waiter=key[0],
            role=key[1],
            before_count=before.get(key, nothing)[0],
            after_count=after.get(key, nothing)[0],
            before_stall_ns=before.get(key, nothing)[1],
            after_stall_ns=after.get(key, nothing)[1],
        )
        for key in dict.fromkeys((*before, *after))
    ]
    return tuple(sorted(found, key=lambda each: -abs((each.after_stall_ns or 0) - (each.before_stall_ns or 0))))


def _waits(side: Sequence[Analyses]) -> dict[tuple[Waiter, WaitRole], tuple[float, float | None]] | None:
    """(how many, how long they stall) for each run."""
    count, stall_ns, runs = Counter[tuple[Waiter, WaitRole]](), dict[tuple[Waiter, WaitRole], int](), _watched(side)
    for group in (group for analyses in side for group in analyses.wait_groups):
        key = (group.waiter, group.role)
        count[key] += group.count
        if group.stall_ns is not None:
            stall_ns[key] = stall_ns.get(key, 0) + group.stall_ns
    if not runs:
        return None
    return {key: (count[key] / runs, stall_ns[key] / runs if key in stall_ns else None) for key in count}


def _watched(side: Sequence[Analyses]) -> int:
    """Runs while torch's profiler watched a device."""
    return sum(int(gpu_traced(analyses.timeline).sum()) for analyses in side)
