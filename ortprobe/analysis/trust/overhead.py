"""What tracing cost: runs with everything attached against runs with torch's profiler alone against untraced ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.runs.run_phases import BY_LAUNCHES, Phase, RunPhases, launching
from ortprobe.analysis.runs.run_times import HOOKS_ALONE, ORT_AND_TORCH, TORCH_ALONE, RunTimes
from ortprobe.analysis.runs.spread import median_ns
from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline

FEWEST_TO_COMPARE = 3
"""Runs of each kind that a comparison of medians needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseCost:
    """The same phase in runs of both kinds: medians over those that have it."""

    phase: Phase
    torch_only_ns: int
    traced_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchCost:
    """What tracing adds to the host for each thing that it records.

    None where it was not measured: too few runs, nothing recorded to share it out over, or a difference that does not
    stand out from how much runs differ anyway (the middle halves of both kinds overlap).
    """

    cuda_call_ns: float | None
    """For each CUDA call in a run: what torch's profiler alone adds to the latency of an untraced run."""
    hidden: bool | None
    """Whether the runs with torch's profiler alone waited for the GPU at their end. Part of what it cost is hidden in
    that wait, and `cuda_call_ns` is the least it can be. None when no run tells."""
    node_ns: float | None
    """For each execution of a node: what ORT's profile adds, with torch's profiler there, to the time from the first
    launch to the last, in which the GPU hides nothing. Nodes count as evenly spread over the launches."""
    launch_ns: float | None
    """From one launch of a kernel to the next: its share of the CUDA calls (ORT makes several for each launch) and of
    the nodes, as far as their costs are known; None when neither is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Medians by what was attached: everything, torch's profiler alone, the hooks alone. None where not measured.

    Of a program without a GPU everything is ORT's profile.
    """

    traced_median_ns: int | None
    torch_only_median_ns: int | None
    untraced_median_ns: int | None
    ratio: float | None
    """Traced over untraced; None when one of them was not measured."""
    hook_cost_ns: int | None
    """What the hooks add to one run call."""
    traced_period_ns: int | None
    """Start of one run to the start of the next one."""
    torch_only_period_ns: int | None
    untraced_period_ns: int | None
    phases: tuple[PhaseCost, ...]
    """By launches, which both kinds of traced runs have; untraced runs have no phases."""
    launch: LaunchCost


NO_LAUNCH_COST = LaunchCost(cuda_call_ns=None, hidden=None, node_ns=None, launch_ns=None)
NO_OVERHEAD = Overhead(
    traced_median_ns=None, torch_only_median_ns=None, untraced_median_ns=None, ratio=None, hook_cost_ns=None,
    traced_period_ns=None, torch_only_period_ns=None, untraced_period_ns=None, phases=(), launch=NO_LAUNCH_COST,
)  # fmt: skip
"""Nothing of it was measured."""


def compute_overhead(timeline: Timeline, runs: RunTimes, phases: RunPhases) -> Overhead:
    """Medians of steady runs by what was attached to them, over runs that can be compared.

    A program does other things around other runs, so like is compared with like: the warm runs of one session that
    one line of the program made, of the session and line with the most of both kinds. Where no line made both, the
    medians are those of all steady runs, and the ratio and the costs are None.
    """
    everything = ORT_AND_TORCH if (runs.attached & TORCH_ALONE).any() else ATTACHED_ORT_PROFILE
    alike = _alike(timeline, runs, _warm(runs), everything)
    shown = runs.steady if alike is None else alike
    kinds = {kind: shown & (runs.attached == kind) for kind in (everything, TORCH_ALONE, HOOKS_ALONE)}
    traced, torch_only, _ = kinds.values()
    traced_ns, torch_ns, untraced_ns = (median_ns(runs.latency_ns[each]) for each in kinds.values())
    periods_ns = [median_ns(runs.period_ns[each & runs.steady_period]) for each in kinds.values()]
    comparable = alike is not None
    return Overhead(
        traced_median_ns=traced_ns,
        torch_only_median_ns=torch_ns,
        untraced_median_ns=untraced_ns,
        ratio=traced_ns / untraced_ns if comparable and traced_ns and untraced_ns else None,
        hook_cost_ns=timeline.capture.hook_cost_ns,
        traced_period_ns=periods_ns[0],
        torch_only_period_ns=periods_ns[1],
        untraced_period_ns=periods_ns[2],
        phases=_phase_costs(phases, torch_only, traced) if comparable else (),
        launch=_launch_cost(timeline, runs, phases, *kinds.values()) if comparable else NO_LAUNCH_COST,
    )


def _warm(runs: RunTimes) -> Bools:
    """Steady runs but the first on each thread: ORT makes streams and handles for each thread that runs a session."""
    follows = np.zeros(len(runs.steady), np.bool_)
    follows[runs.next_run[runs.next_run != NONE]] = True
    return runs.steady & follows


def _alike(timeline: Timeline, runs: RunTimes, warm: Bools, everything: int) -> Bools | None:
    """The warm runs of the session and line with the most runs both traced and untraced; None without such a line."""
    site = timeline.hooks.sites_of(timeline.runs.hook_span)
    origin = timeline.runs.session.astype(np.int64) << 32 | (site.astype(np.int64) & 0xFFFFFFFF)
    best, most = None, FEWEST_TO_COMPARE - 1
    for value in np.unique(origin[warm]).tolist():
        group = warm & (origin == value)
        both = min(int((group & (runs.attached == kind)).sum()) for kind in (everything, HOOKS_ALONE))
        if both > most:
            best, most = group, both
    return best


def _phase_costs(phases: RunPhases, torch_only: Bools, traced: Bools) -> tuple[PhaseCost, ...]:
    """Of each phase that enough runs of both kinds have."""
    costs = []
    for phase in BY_LAUNCHES:
        times_ns = phases.column(phase)
        known = [times_ns[kind & (times_ns != NONE)] for kind in (torch_only, traced)]
        if min(map(len, known)) >= FEWEST_TO_COMPARE:
            torch_ns, traced_ns = (int(np.median(each)) for each in known)
            costs.append(PhaseCost(phase=phase, torch_only_ns=torch_ns, traced_ns=traced_ns))
    return tuple(costs)


def _launch_cost(
    timeline: Timeline, runs: RunTimes, phases: RunPhases, traced: Bools, torch_only: Bools, untraced: Bools
) -> LaunchCost:
    calls = timeline.spans.of_kind(Kind.CUDA_CALL)
    of_torch_only, of_traced = (_median_count(timeline, calls, kind) for kind in (torch_only, traced))
    nodes = _median_count(timeline, timeline.node_spans.span, traced)
    launches = _median_count(timeline, calls[launching(timeline, calls)], traced)
    call_ns = _shared(_added(runs.latency_ns[untraced], runs.latency_ns[torch_only]), of_torch_only)
    launched = phases.launching_ns != NONE
    launching_ns = [phases.launching_ns[kind & launched] for kind in (torch_only, traced)]
    # From the first launch to the last lies the work between launches, which is one less.
    between = nodes * (launches - 1) / launches if launches else 0.0
    node_ns = _shared(_added(*launching_ns), between)
    known = [cost * count for cost, count in ((call_ns, of_traced), (node_ns, nodes)) if cost is not None]
    drains_ns = phases.drain_ns[torch_only & (phases.drain_ns != NONE)]
    return LaunchCost(
        cuda_call_ns=call_ns,
        hidden=bool(np.median(drains_ns) > 0) if len(drains_ns) else None,
        node_ns=node_ns,
        launch_ns=sum(known) / launches if known and launches else None,
    )


def _added(without_ns: Int64s, having_ns: Int64s) -> float | None:
    """By how much the second median is above the first; None without enough of both, and where the middle halves
    overlap."""
    if min(len(without_ns), len(having_ns)) < FEWEST_TO_COMPARE:
        return None
    apart = np.percentile(having_ns, 25) > np.percentile(without_ns, 75)
    return float(np.median(having_ns) - np.median(without_ns)) if apart else None


def _shared(added_ns: float | None, count: float) -> float | None:
    return added_ns / count if added_ns is not None and count else None


def _median_count(timeline: Timeline, spans: Int32s, chosen: Bools) -> float:
    """How many of the spans the median one of these runs holds."""
    run = timeline.links.run[spans]
    counts = np.bincount(run[run != NONE], minlength=len(chosen))[chosen]
    return float(np.median(counts)) if len(counts) else 0.0
