"""Figures in time. What was measured under a profiler is the most that the program takes without it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.runs.run_times import HOOKS_ALONE
from ortprobe.analysis.runs.spread import FEWEST_FOR_P90, FEWEST_FOR_P95, FEWEST_FOR_P99, Spread, median_ns
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.gate.measured import Measured, Metric, Unit, counted, doubts, unknown
from ortprobe.timeline import NONE


def _latency(analyses: Analyses, pick: Callable[[Spread], int | None], fewest: int) -> Measured:
    """Of steady runs with nothing but the hooks attached; of all steady ones, as a bound, where there are too few."""
    if why := doubts(analyses, Claim.LATENCY):
        return unknown(why)
    runs = analyses.runs
    untraced = runs.latency_by_attached.get(HOOKS_ALONE)
    value = pick(untraced) if untraced is not None else None
    if value is not None:
        return Measured(low=value, high=value)
    count = untraced.count if untraced is not None else 0
    why = f"it takes {fewest} steady runs without a profiler, and there are {count}"
    return Measured(low=0, high=pick(runs.latency), why=why)


def _first_run(analyses: Analyses) -> Measured:
    """The slowest. Tracing slows a first run by no larger a factor than steady ones, which consist of calls alone."""
    if why := doubts(analyses, Claim.LATENCY):
        return unknown(why)
    lives = [life for life in analyses.sessions.lives if life.first_run_ns is not None]
    if not lives:
        return unknown("no first run of a session was recorded")
    slowest = max(lives, key=lambda life: life.first_run_ns or 0)
    high = float(slowest.first_run_ns or 0)
    where = (slowest.session.site,) if slowest.session.site is not None else ()
    rows = np.flatnonzero(analyses.timeline.runs.session == slowest.session.index)
    if analyses.runs.attached[rows[0]] == HOOKS_ALONE:
        return Measured(low=high, high=high, where=where)
    ratio = analyses.overhead.ratio
    low = high / max(ratio, 1.0) if ratio is not None else 0.0
    return Measured(low=low, high=high, why="it was traced, which makes it slower", where=where)


def _gpu_time(analyses: Analyses) -> Measured:
    busy_ns, steady = analyses.runs.device_busy_ns, analyses.runs.steady
    median = median_ns(busy_ns[steady & (busy_ns != NONE)])
    if median is None:
        return unknown("torch's profiler watched no steady run")
    return unknown(why) if (why := doubts(analyses, Claim.GPU_TIME)) else counted(analyses, median)


def _idle_share(analyses: Analyses) -> Measured:
    """The idlest device's. What tracing added to gaps is taken off for the lower bound."""
    if why := doubts(analyses, Claim.IDLE):
        return unknown(why)
    devices = analyses.idle.devices
    if not devices:
        return unknown("no device work was recorded")
    idlest = max(devices, key=lambda device: device.idle_ns / device.window_ns)
    high = idlest.idle_ns / idlest.window_ns
    low = max((_untraced_share(analyses, device) for device in devices), default=0.0)
    return Measured(low=low, high=high, why="tracing makes gaps longer", names=(f"GPU {idlest.device}",))


def _untraced_share(analyses: Analyses, device: DeviceIdle) -> float:
    """What would remain without tracing at the least; 0 where what it costs is not known."""
    if doubts(analyses, Claim.LATENCY):
        return 0.0
    beliefs = [belief for belief in analyses.believable.devices if belief.device == device.device]
    if not beliefs:
        return 0.0
    low_ns = sum(bounds.low_ns for bounds in beliefs[0].by_cause.values())
    return low_ns / max(low_ns + device.busy_ns, 1)


def _time(key: str, meaning: str, measure: Callable[[Analyses], Measured]) -> Metric:
    return Metric(key=key, unit=Unit.TIME, meaning=meaning, measure=measure)


TIMES = (
    _time("median", "median latency of steady, untraced runs", lambda a: _latency(a, lambda s: s.median_ns, 1)),
    _time("p90", "what 9 of 10 of them take at most", lambda a: _latency(a, lambda s: s.p90_ns, FEWEST_FOR_P90)),
    _time("p95", "what 19 of 20 take at most", lambda a: _latency(a, lambda s: s.p95_ns, FEWEST_FOR_P95)),
    _time("p99", "what 99 of 100 take at most", lambda a: _latency(a, lambda s: s.p99_ns, FEWEST_FOR_P99)),
    _time("first_run", "the slowest first run of a session", _first_run),
    _time("gpu_time", "how long a steady run keeps the GPU busy, median", _gpu_time),
    Metric(
        key="idle_share",
        unit=Unit.SHARE,
        meaning="part of the recorded time in which a device had nothing to do, the idlest device's",
        measure=_idle_share,
    ),
)
