"""Each run with its phases, and what runs take: first, steady, percentiles, with and without tracing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.busy import busy_by_group
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline, UInt8s


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimes:
    """Columns parallel to `Timeline.runs`, and what follows from them. Times nobody measured are NONE or None."""

    latency_ns: Int64s
    """Call to return as the program saw it; ORT's `model_run` where no hook was there."""
    index_in_session: Int32s
    """0 for the first run of each C session; never 0 where the session, and so its first run, is not known."""
    attached: UInt8s
    host_before_ns: Int64s
    """Python call → `model_run`."""
    input_copies_ns: Int64s
    """`model_run` start → first `Execute`: streams, handles, copies of host inputs."""
    execute_ns: Int64s
    """`Execute`: launching the nodes; on the CPU, computing them."""
    drain_ns: Int64s
    """`Execute` end → `model_run` end: waiting for the GPU, copies of outputs to the host."""
    host_after_ns: Int64s
    """`model_run` end → return."""
    device_busy_ns: Int64s
    """Union of the device work this run launched; NONE without a GPU trace of this run."""
    failed: Bools
    first_ns: int | None
    """Latency of the first run of a session that the capture saw being made."""
    median_ns: int | None
    """Median of all runs but the first of each session."""
    p99_ns: int | None
    """Over the same runs; None when there are fewer than `FEWEST_FOR_P99`."""
    untraced_median_ns: int | None
    """The same median over the runs with nothing but the hooks attached; None when there were none."""


FEWEST_FOR_P99 = 100
"""Of fewer values the 99th percentile is the greatest by another name, so it is not stated."""

ORT_AND_TORCH = ATTACHED_ORT_PROFILE | ATTACHED_TORCH_PROFILER
TORCH_ALONE = ATTACHED_TORCH_PROFILER
HOOKS_ALONE = 0


def compute_runs(timeline: Timeline) -> RunTimes:
    """Latency and phases of every run. Runs that raised are left out of first, median and p99."""
    runs = timeline.runs
    latency_ns = runs.end_ns - runs.start_ns
    index = _index_in_session(runs.session)
    failed = _failed(timeline)
    steady = (index > 0) & ~failed
    known = ~failed & (runs.session != NONE)
    return RunTimes(
        latency_ns=latency_ns,
        index_in_session=index,
        attached=runs.attached,
        **_phases(timeline),
        device_busy_ns=_device_busy(timeline),
        failed=failed,
        first_ns=int(latency_ns[known][0]) if known.any() else None,
        median_ns=median_ns(latency_ns[steady]),
        p99_ns=int(np.percentile(latency_ns[steady], 99)) if steady.sum() >= FEWEST_FOR_P99 else None,
        untraced_median_ns=median_ns(latency_ns[steady & (runs.attached == HOOKS_ALONE)]),
    )


def median_ns(times_ns: Int64s) -> int | None:
    """The median in whole nanoseconds; None of nothing."""
    return int(np.median(times_ns)) if len(times_ns) else None


def _index_in_session(session: Int32s) -> Int32s:
    """Runs whose session is unknown are counted together, from 1: their first one was not seen for certain."""
    order = np.argsort(session, kind="stable")
    ordered = session[order]
    first = np.searchsorted(ordered, ordered, side="left")
    index = np.empty(len(session), np.int32)
    index[order] = np.arange(len(session)) - first
    index[session == NONE] += 1
    return index


def _phases(timeline: Timeline) -> dict[str, Int64s]:
    runs = timeline.runs
    call_ns = np.where(runs.hook_span == NONE, NONE, runs.start_ns)
    back_ns = np.where(runs.hook_span == NONE, NONE, runs.end_ns)
    run_start_ns, run_end_ns = _bounds(timeline, runs.run_span)
    execute_start_ns, execute_end_ns = _bounds(timeline, runs.execute_span)
    return {
        "host_before_ns": _between(call_ns, run_start_ns),
        "input_copies_ns": _between(run_start_ns, execute_start_ns),
        "execute_ns": _between(execute_start_ns, execute_end_ns),
        "drain_ns": _between(execute_end_ns, run_end_ns),
        "host_after_ns": _between(run_end_ns, back_ns),
    }


def _bounds(timeline: Timeline, span: Int32s) -> tuple[Int64s, Int64s]:
    missing, spans = span == NONE, timeline.spans
    return np.where(missing, NONE, spans.start_ns[span]), np.where(missing, NONE, spans.end_ns[span])


def _between(start_ns: Int64s, end_ns: Int64s) -> Int64s:
    """ORT's times are whole microseconds, so a phase can come out as less than nothing: then it is 0."""
    known = (start_ns != NONE) & (end_ns != NONE)
    return np.where(known, np.maximum(end_ns - start_ns, 0), NONE)


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
