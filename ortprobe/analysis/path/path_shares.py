"""What the critical paths of some runs consist of: how long they are in each kind, cause and node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.path.critical_path import PATH_KINDS, CriticalPaths, PathKind
from ortprobe.analysis.runs.run_times import ORT_AND_TORCH, TORCH_ALONE, RunTimes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline, UInt8s
from ortprobe.timeline.groups import sum_by_group


@dataclass(frozen=True, slots=True, kw_only=True)
class PathShares:
    """Sums over the runs; `by_kind` sums to `latency_ns` exactly. Mappings have the largest first, and no zeros."""

    runs: Int64s
    """Rows in `Timeline.runs`."""
    latency_ns: int
    """Of all of them together."""
    by_kind: Mapping[PathKind, int]
    host_by_cause: Mapping[IdleCause, int]
    """HOST, by what the thread was doing; sums to that exactly."""
    device_by_node: Mapping[int, int]
    """DEVICE, by row in `Timeline.nodes`; NONE for work without a node. Sums to that exactly."""


def compute_path_shares(timeline: Timeline, times: RunTimes, paths: CriticalPaths) -> PathShares | None:
    """Of the steady runs that torch's profiler watched alone; where there are none, of those that ORT's profile watched
    too. None without such runs."""
    steady = gpu_traced(timeline) & (times.index_in_session > 0) & ~times.failed
    for attached in (TORCH_ALONE, ORT_AND_TORCH):
        runs = np.flatnonzero(steady & (times.attached == attached))
        if len(runs):
            return _shares(timeline, times, paths, runs)
    return None


def _shares(timeline: Timeline, times: RunTimes, paths: CriticalPaths, runs: Int64s) -> PathShares:
    chosen = np.isin(paths.run, runs)
    length_ns = paths.end_ns - paths.start_ns
    is_host = chosen & (paths.kind == PATH_KINDS.index(PathKind.HOST))
    is_device = chosen & (paths.kind == PATH_KINDS.index(PathKind.DEVICE))
    node = np.where(is_device, timeline.links.node[paths.span], NONE)
    by_node = _sums(node + 1, length_ns, is_device, len(timeline.nodes) + 1)
    return PathShares(
        runs=runs,
        latency_ns=int(times.latency_ns[runs].sum()),
        by_kind={PATH_KINDS[row]: ns for row, ns in _sums(paths.kind, length_ns, chosen, len(PATH_KINDS)).items()},
        host_by_cause={CAUSES[row]: ns for row, ns in _sums(paths.cause, length_ns, is_host, len(CAUSES)).items()},
        device_by_node={row - 1: ns for row, ns in by_node.items()},
    )


def _sums(group: Int32s | Int64s | UInt8s, length_ns: Int64s, chosen: Bools, groups: int) -> dict[int, int]:
    sums = sum_by_group(group[chosen], length_ns[chosen], groups)
    return {row: int(sums[row]) for row in np.argsort(-sums, kind="stable").tolist() if sums[row]}
