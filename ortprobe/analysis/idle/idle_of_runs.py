"""The idle time of each device inside of each run, and between runs, by cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.idle.causes import CAUSES
from ortprobe.analysis.idle.device_idle import DeviceIdle, Idle
from ortprobe.timeline import Int64s, Timeline
from ortprobe.timeline.intervals import union


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdleOfRuns:
    """One device. For each cause `inside_ns + between_ns` is the device's idle time with that cause, exactly.

    Columns are causes in the order of `CAUSES`. Runs that overlap have the same idle time both, so rows of `by_run_ns`
    sum to `inside_ns` only where none do.
    """

    device: int
    by_run_ns: Int64s
    """Shape (runs, causes). Only what torch's profiler watched counts: a run that it did not has none, see
    `gpu_traced`."""
    inside_ns: Int64s
    """Shape (causes,): while any run was under way."""
    between_ns: Int64s
    """Shape (causes,): before, between and after runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleOfRuns:
    """Per device, as in `Idle.devices`."""

    devices: tuple[DeviceIdleOfRuns, ...]


def compute_idle_of_runs(timeline: Timeline, idle: Idle) -> IdleOfRuns:
    """Clip each device's idle time to the runs."""
    return IdleOfRuns(devices=tuple(_device(timeline, device) for device in idle.devices))


def _device(timeline: Timeline, device: DeviceIdle) -> DeviceIdleOfRuns:
    runs = timeline.runs
    under_way = union(runs.start_ns, runs.end_ns)
    by_run_ns = np.zeros((len(runs), len(CAUSES)), np.int64)
    inside_ns, all_ns = np.zeros(len(CAUSES), np.int64), np.zeros(len(CAUSES), np.int64)
    columns = device.columns
    for cause in range(len(CAUSES)):
        mine = columns.piece_cause == cause
        pieces = columns.piece_start_ns[mine], columns.piece_end_ns[mine]
        by_run_ns[:, cause] = covered_ns(pieces, (runs.start_ns, runs.end_ns))
        inside_ns[cause] = covered_ns(pieces, under_way).sum()
        all_ns[cause] = (pieces[1] - pieces[0]).sum()
    return DeviceIdleOfRuns(
        device=device.device, by_run_ns=by_run_ns, inside_ns=inside_ns, between_ns=all_ns - inside_ns
    )
