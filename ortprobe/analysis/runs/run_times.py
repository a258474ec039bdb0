"""What runs take: each one's latency and period, first against steady, and how they spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.busy import busy_by_group
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.runs.spread import Spread, spread_of
from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline, UInt8s

ORT_AND_TORCH = ATTACHED_ORT_PROFILE | ATTACHED_TORCH_PROFILER
TORCH_ALONE = ATTACHED_TORCH_PROFILER
HOOKS_ALONE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimes:
    """Columns parallel to `Timeline.runs`, and what follows from them. Times nobody measured are NONE or None."""

    latency_ns: Int64s
    """Call to return as the program saw it; ORT's `model_run` where no hook was there."""
    index_in_session: Int32s
    """0 for the first run of each C session; never 0 where the session, and so its first run, is not known."""
    attached: UInt8s
    device_busy_ns: Int64s
    """Union of the device work this run launched; NONE without a GPU trace of this run."""
    failed: Bools
    steady: Bools
    """Neither the first run of its session nor one that raised."""
    next_run: Int32s
    """The run that the same thread made next of the same session; NONE for the last one, and where the session is not
    known."""
    period_ns: Int64s
    """From this run's start to the start of `next_run`; NONE where there is none."""
    steady_period: Bools
    """Whether this run and `next_run` are steady and had the same attached. Between others the session warms up, or
    the profiler is started or stopped."""
    first_ns: int | None
    """Latency of the first run of a session that the capture saw being made."""
    latency: Spread
    """Of the steady runs."""
    latency_by_attached: Mapping[int, Spread]
    """Of the steady runs, by `attached`; what none of them had attached is not in it."""
    period: Spread
    """Of the steady periods: the program's pace."""
    period_by_attached: Mapping[int, Spread]

    @property
    def median_ns(self) -> int | None:
        """Median latency of the steady runs."""
        return self.latency.median_ns

    @property
    def untraced_median_ns(self) -> int | None:
        """The same over the runs with nothing but the hooks attached; None when there were none."""
        untraced = self.latency_by_attached.get(HOOKS_ALONE)
        return untraced.median_ns if untraced else None


def compute_runs(timeline: Timeline) -> RunTimes:
    """Latency and period of every run. Runs that raised are left out of first and of what spreads."""
    runs = timeline.runs
    latency_ns = runs.end_ns - runs.start_ns
    index = _index_in_session(runs.session)
    failed = _failed(timeline)
    known = ~failed & (runs.session != NONE)
    steady = (index > 0) & ~failed
    next_run = _next_run(timeline)
    period_ns = np.where(next_run == NONE, NONE, runs.start_ns[next_run] - runs.start_ns)
    alike = steady[next_run] & (runs.attached[next_run] == runs.attached)
    steady_period = steady & (next_run != NONE) & alike
    return RunTimes(
        latency_ns=latency_ns,
        index_in_session=index,
        attached=runs.attached,
        device_busy_ns=_device_busy(timeline),
        failed=failed,
        steady=steady,
        next_run=next_run,
        period_ns=period_ns,
        steady_period=steady_period,
        first_ns=int(latency_ns[known][0]) if known.any() else None,
        latency=spread_of(latency_ns[steady]),
        latency_by_attached=_by_attached(latency_ns, runs.attached, steady),
        period=spread_of(period_ns[steady_period]),
        period_by_attached=_by_attached(period_ns, runs.attached, steady_period),
    )


def _by_attached(times_ns: Int64s, attached: UInt8s, chosen: Bools) -> dict[int, Spread]:
    kinds = np.unique(attached[chosen]).tolist()
    return {kind: spread_of(times_ns[chosen & (attached == kind)]) for kind in kinds}


def _next_run(timeline: Timeline) -> Int32s:
    runs = timeline.runs
    order = np.lexsort((runs.start_ns, runs.lane, runs.session)).astype(np.int32)
    session, lane = runs.session[order], runs.lane[order]
    same = (session[1:] == session[:-1]) & (lane[1:] == lane[:-1]) & (session[1:] != NONE)
    following = np.full(len(runs), NONE, np.int32)
    following[order[:-1][same]] = order[1:][same]
    return following


def _index_in_session(session: Int32s) -> Int32s:
    """Runs whose session is unknown are counted together, from 1: their first one was not seen for certain."""
    order = np.argsort(session, kind="stable")
    ordered = session[order]
    first = np.searchsorted(ordered, ordered, side="left")
    index = np.empty(len(session), np.int32)
    index[order] = np.arange(len(session)) - first
    index[session == NONE] += 1
    return index


def _failed(timeline: Timeline) -> Bools:
    hooks = timeline.hooks
    return np.isin(timeline.runs.hook_span, hooks.span[hooks.failed])


def _device_busy(timeline: Timeline) -> Int64s:
    spans, runs = timeline.spans, timeline.runs
    ops = timeline.device_ops.span
    run = timeline.links.run[ops]
    ops, run = ops[run != NONE], run[run != NONE]
    busy_ns = busy_by_group(run, spans.start_ns[ops], spans.end_ns[ops], len(runs))
    return np.where(gpu_traced(timeline), busy_ns, NONE)
