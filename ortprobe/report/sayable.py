"""Figures as a report may state them: what the capture's problems make unsayable is not measured, and a sentence says
why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.busy_bins import BusyBins
from ortprobe.analysis.nodes.bounds import SessionBound
from ortprobe.analysis.nodes.detours import Detour
from ortprobe.analysis.nodes.node_times import NodeTimes
from ortprobe.analysis.nodes.operators import Operators, compute_operators
from ortprobe.analysis.path.path_shares import PathShares
from ortprobe.analysis.path.re_inits import WithoutReInits
from ortprobe.analysis.path.what_if import WhatIfs
from ortprobe.analysis.runs.run_comparison import RunComparison, phase_differences
from ortprobe.analysis.runs.run_phases import RunPhases
from ortprobe.analysis.sessions.first_runs import NO_RUNS
from ortprobe.analysis.sessions.session_lives import SessionLives
from ortprobe.analysis.trust.believable import Believable
from ortprobe.analysis.trust.claims import Claim
from ortprobe.analysis.trust.overhead import NO_OVERHEAD, Overhead
from ortprobe.analysis.waits.wait_groups import WaitGroup
from ortprobe.analysis.waits.wait_times import Need
from ortprobe.timeline import NONE, Bools, Int64s, Problem
from ortprobe.timeline.intervals import Intervals

CLAIM_LABELS: Mapping[Claim, str] = {
    Claim.LATENCY: "how long calls took",
    Claim.GPU_TIME: "how long the GPU worked",
    Claim.NODE_TIME: "how long each node took",
    Claim.IDLE: "when and why the GPU was idle",
    Claim.WAITS: "who waited for whom",
    Claim.ORDER: "what came before what",
    Claim.CALLS: "that a call was not made",
    Claim.COUNTS: "how often things happened",
}


def doubt(analyses: Analyses, claim: Claim) -> str:
    """ "can't tell, because …"; empty where the claim can be made."""
    answer = analyses.integrity.can_say(claim)
    return "" if answer.yes else f"can't tell, because {answer.why_not}"


def unsayable(analyses: Analyses, problem: Problem) -> str:
    """What a problem makes unsayable, in words; empty for a problem that forbids nothing."""
    own = [each for each in analyses.integrity.objections if each.problem is problem]
    whole = [CLAIM_LABELS[each.claim] for each in own if each.whole]
    there = [CLAIM_LABELS[each.claim] for each in own if not each.whole]
    parts = [", ".join(whole), f"in its stretch alone: {', '.join(there)}" if there else ""]
    return "; ".join(part for part in parts if part)


def stated_nodes(analyses: Analyses) -> NodeTimes:
    """Node times, those of the GPU left out where they can't be told."""
    times = analyses.nodes
    if not doubt(analyses, Claim.NODE_TIME):
        return times
    nodes = [replace(node, device_ns=None, device_per_run_ns=None) for node in times.nodes]
    return replace(times, nodes=tuple(sorted(nodes, key=lambda node: -node.host_ns)), by_device=False)


def stated_operators(analyses: Analyses) -> Operators:
    """Times by operator and category, those of the GPU left out where they can't be told."""
    return compute_operators(stated_nodes(analyses)) if doubt(analyses, Claim.NODE_TIME) else analyses.operators


def stated_bandwidth(analyses: Analyses) -> Int64s:
    """For each node how fast the GPU moved its operands, in bytes per second; NONE where that can't be told."""
    found = analyses.node_shapes.bandwidth(len(analyses.timeline.nodes))
    return np.full_like(found, NONE) if doubt(analyses, Claim.NODE_TIME) else found


def stated_bounds(analyses: Analyses) -> tuple[SessionBound, ...]:
    """What sets the pace of each session; none where that can't be told."""
    return () if doubt_of_paths(analyses) else analyses.bounds


def stated_detours(analyses: Analyses) -> tuple[Detour, ...]:
    """What nodes on the CPU cost; none where that can't be told."""
    return () if doubt(analyses, Claim.NODE_TIME) else analyses.detours


def doubt_of_waits(analyses: Analyses) -> str:
    """ "can't tell, because …" for sums over waits, which rest on the work that was waited for too; else empty."""
    return doubt(analyses, Claim.WAITS) or doubt(analyses, Claim.GPU_TIME)


def stated_waits(analyses: Analyses) -> tuple[WaitGroup, ...]:
    """Waits by group, their stalls and needs left out where they can't be told."""
    if not doubt_of_waits(analyses):
        return analyses.wait_groups
    return tuple(
        replace(group, stall_ns=None, not_needed_ns=None, needs={Need.UNKNOWN: group.count})
        for group in analyses.wait_groups
    )


def stated_sessions(analyses: Analyses) -> SessionLives:
    """The lives of sessions, without any time where latencies can't be told."""
    sessions = analyses.sessions
    if not doubt(analyses, Claim.LATENCY):
        return sessions
    lives = tuple(
        replace(
            life, creation_ns=None, creation=None, first_run_ns=None, steady_run_ns=None, first_run_excess_ns=None,
            first_runs=NO_RUNS, re_init_cost_ns=None,
        )
        for life in sessions.lives
    )  # fmt: skip
    stale = tuple(replace(each, until_ns=None) for each in sessions.stale or ())
    return replace(sessions, lives=lives, re_init_cost_ns=None, stale=None if sessions.stale is None else stale)


def stated_overhead(analyses: Analyses) -> Overhead:
    """What tracing cost; nothing where latencies can't be told."""
    return NO_OVERHEAD if doubt(analyses, Claim.LATENCY) else analyses.overhead


def stated_believable(analyses: Analyses) -> Believable:
    """How much idle time tracing made; nothing where latencies or idle time can't be told."""
    if doubt(analyses, Claim.LATENCY) or doubt(analyses, Claim.IDLE):
        return Believable(devices=())
    return analyses.believable


def stated_device_busy(analyses: Analyses) -> Int64s:
    """How long each run kept the GPU busy; NONE for runs in a stretch where that can't be told."""
    return np.where(_doubtful_runs(analyses, Claim.GPU_TIME), NONE, analyses.runs.device_busy_ns)


def stated_phases(analyses: Analyses) -> RunPhases:
    """Phases of runs, without what waiting tells for runs in a stretch where waits can't be told."""
    phases, doubtful = analyses.phases, _doubtful_runs(analyses, Claim.WAITS)
    return replace(
        phases,
        drain_ns=np.where(doubtful, NONE, phases.drain_ns),
        output_copies_ns=np.where(doubtful, NONE, phases.output_copies_ns),
        finish_ns=np.where(doubtful, NONE, phases.finish_ns),
    )


def stated_slowest(analyses: Analyses) -> RunComparison | None:
    """The slowest run of which something is known beside its latency, against the median run like it, as far as it can
    be told; None where there is none."""
    known = [each for each in analyses.comparisons if each.explained and each.difference_ns]
    if not known or doubt(analyses, Claim.LATENCY):
        return None
    found = known[0]
    doubtful = {claim: _doubtful_runs(analyses, claim)[[found.slow, found.median]].any() for claim in Claim}
    nodes = [replace(node, device_ns=None) if doubtful[Claim.NODE_TIME] else node for node in found.nodes]
    busy_is_known = not doubtful[Claim.GPU_TIME]
    return replace(
        found,
        phases=phase_differences(analyses.runs, stated_phases(analyses), found.slow, found.median),
        nodes=tuple(node for node in nodes if node.device_ns or node.host_ns),
        waits=() if doubtful[Claim.WAITS] else found.waits,
        idle=() if doubtful[Claim.IDLE] else found.idle,
        slow_busy_ns=found.slow_busy_ns if busy_is_known else None,
        median_busy_ns=found.median_busy_ns if busy_is_known else None,
    )


def _doubtful_runs(analyses: Analyses, claim: Claim) -> Bools:
    """Runs in a stretch about which this can't be claimed."""
    runs = analyses.timeline.runs
    doubtful = np.zeros(len(runs), np.bool_)
    for objection in analyses.integrity.objections:
        if objection.claim is claim:
            start_ns, end_ns = objection.problem.start_ns, objection.problem.end_ns
            after = np.ones(len(runs), np.bool_) if start_ns is None else runs.end_ns >= start_ns
            before = np.ones(len(runs), np.bool_) if end_ns is None else runs.start_ns <= end_ns
            doubtful |= after & before
    return doubtful


def doubtful_intervals(analyses: Analyses, claim: Claim) -> Intervals:
    """The stretches about which this can't be claimed, those without a bound reaching over the whole capture."""
    timeline = analyses.timeline
    problems = [each.problem for each in analyses.integrity.objections if each.claim is claim]
    last_ns = int(timeline.spans.end_ns.max()) if len(timeline.spans) else timeline.start_ns
    starts = [timeline.start_ns if each.start_ns is None else each.start_ns for each in problems]
    ends = [last_ns if each.end_ns is None else each.end_ns for each in problems]
    return np.array(starts, np.int64), np.array(ends, np.int64)


def told_bins(analyses: Analyses, bins: BusyBins) -> Bools:
    """For each bin whether its busy time can be told: not where work was lost in it."""
    lost_from_ns, lost_to_ns = doubtful_intervals(analyses, Claim.IDLE)
    touched = (bins.start_ns[:, None] < lost_to_ns) & (bins.end_ns[:, None] > lost_from_ns)
    return np.asarray(~touched.any(axis=1), np.bool_)


_PATHS_REST_ON = (Claim.LATENCY, Claim.GPU_TIME, Claim.WAITS)


def doubt_of_paths(analyses: Analyses) -> str:
    """Why critical paths, and what changes would give, can't be told; empty where they can."""
    reasons = [doubt(analyses, claim) for claim in _PATHS_REST_ON]
    return next((reason for reason in reasons if reason), "")


def stated_path_shares(analyses: Analyses) -> PathShares | None:
    """What critical paths consist of; None where that can't be told."""
    return None if doubt_of_paths(analyses) else analyses.path_shares


def stated_what_ifs(analyses: Analyses) -> WhatIfs | None:
    """What changes would give; None where that can't be told."""
    return None if doubt_of_paths(analyses) else analyses.what_ifs


def stated_without_re_inits(analyses: Analyses) -> tuple[WithoutReInits, ...]:
    """What runs would take without re-initialisations; nothing where latencies can't be told."""
    return () if doubt(analyses, Claim.LATENCY) else analyses.without_re_inits
