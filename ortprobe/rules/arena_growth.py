"""onnxruntime's memory arena goes on growing after the first runs.

What it is
    The arena asks the driver for more memory when a run needs more than it holds. After a few runs with each shape it
    should hold enough. It goes on growing where inputs get larger and larger, where it gives memory back after each run
    and asks again, or where runs come from ever new threads (F5).

Why it matters
    `cudaMalloc` and `cudaFree` are slow and may wait for the GPU; and memory that only grows runs out.

Evidence
    ORT's profile, which says of each node by how much the arenas grew in it (ORT 1.28 and later), in runs behind the
    first ones of their session.

Cost
    The calls in these runs that get memory from the driver or give it back, where a GPU trace holds them.

Fix
    Run the largest shape first; bucket shapes; don't ask for `memory.enable_memory_arena_shrinkage` in every run.

When it is wrong
    A service whose memory other processes want gives it back on purpose.

Source
    ORT issues 14474, 13500, 9509; measured on an H100 with 1.31.1: with one set of shapes it grows in the first two
    runs and never again.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cited, distinct_sites, run_span, site_of_run, without_nodes
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import ARENA_GROWS_SHARE, ARENA_SETTLED_RUNS
from ortprobe.timeline import Int64s
from ortprobe.units import format_bytes, format_ns

_FIX = """\
Let the arena see the largest input first, and leave it what it holds:
    + session.run(None, largest_inputs)   # before the first request
    - run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "gpu:0")"""


def check(analyses: Analyses) -> Outcome:
    if unknown := without_nodes(analyses):
        return unknown
    growth = analyses.arena_growth
    if not growth.known.any():
        why = "ORT's profile says how arenas grew from version 1.28 on, and this one does not"
        return NotApplicable(why=why, evidence_missing=True)
    later = growth.known & (analyses.runs.index_in_session >= ARENA_SETTLED_RUNS)
    if not later.any():
        why = f"no session has more than {ARENA_SETTLED_RUNS} runs with ORT's profile"
        return NotApplicable(why=why, evidence_missing=True)
    sessions = analyses.timeline.runs.session
    found = [
        np.flatnonzero(later & (sessions == session) & (growth.growth_bytes > 0))
        for session in np.unique(sessions[later]).tolist()
        if _is_growing(analyses, np.flatnonzero(later & (sessions == session)))
    ]
    return _finding(analyses, np.sort(np.concatenate(found)), int(later.sum())) if found else Passed()


def _is_growing(analyses: Analyses, later: Int64s) -> bool:
    """Twice at least: once is the one large input of a program."""
    grew = analyses.arena_growth.growth_bytes[later] > 0
    return int(grew.sum()) > 1 and float(grew.mean()) >= ARENA_GROWS_SHARE


def _finding(analyses: Analyses, runs: Int64s, looked_at: int) -> Finding:
    timeline, growth = analyses.timeline, analyses.arena_growth
    grown_bytes = int(growth.growth_bytes[runs].sum())
    traced = runs[gpu_traced(timeline)[runs]]
    cost_ns = int(growth.allocating_ns[traced].sum()) if len(traced) else None
    calls = int(growth.allocations[traced].sum())
    paying = traced[growth.allocations[traced] > 0].tolist()
    allocating = f" {calls} calls for memory took {format_ns(cost_ns)} in them." if calls else ""
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"The memory arena grew in {len(runs)} of {looked_at} runs behind the first ones, by "
        f"{format_bytes(grown_bytes)} in all",
        detail=f"By {format_bytes(grown_bytes / len(runs))} in each of them.{allocating}",
        count=len(runs),
        cost_ns=cost_ns,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_run(timeline, run) for run in runs.tolist()),
        evidence=cited(
            [
                *(int(growth.call[run]) for run in paying),
                *(int(growth.node[run]) for run in runs.tolist()),
                *(run_span(timeline, run) for run in runs.tolist()),
            ]
        ),
        fix=_FIX,
        over_runs=looked_at,
        paid=stretches((int(timeline.runs.start_ns[run]), int(timeline.runs.end_ns[run])) for run in paying),
    )


RULE = Rule(code="F4", name="arena_growth", severity=Severity.WARNING, check=check, fix=_FIX)
