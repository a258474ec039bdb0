"""onnxruntime goes on asking the driver for GPU memory after the first runs.

What it is
    The memory arena asks the driver for more when a run needs more than it holds. After a few runs with each shape it
    should hold enough. It goes on asking where inputs get larger and larger, where it gives memory back after each run,
    or where runs come from ever new threads (F5).

Why it matters
    `cudaMalloc` and `cudaFree` are slow and may wait for the GPU; and memory that only grows runs out.

Evidence
    In runs behind the first ones of their session: calls of `cudaMalloc` inside of a run, by a GPU trace; and by how
    much the arenas grew in a node, by ORT's profile (ORT 1.28 and later).

Cost
    The calls in these runs that get memory from the driver or give it back, where a GPU trace holds them.

Fix
    Run the largest shape first; bucket shapes; don't ask for `memory.enable_memory_arena_shrinkage` in every run.

When it is wrong
    A service whose memory other processes want gives it back on purpose. Streams that are made late take memory for
    their handles, in few runs.

Source
    ORT issues 14474, 13500, 9509; measured on an H100 with 1.31.1: with one set of shapes it asks in the first two runs
    and never again; with a batch that grows, in every second run; with shrinkage, in every run, for 0.2 ms.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, run_span, site_of_run
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
    growth = analyses.arena_growth
    if not growth.known.any():
        why = "no GPU trace watched a run, and no profile says how arenas grew (ORT's does from 1.28 on)"
        return NotApplicable(why=why, evidence_missing=True)
    if doubtful := cant_tell(analyses, Claim.COUNTS):
        return doubtful
    later = growth.known & (analyses.runs.index_in_session >= ARENA_SETTLED_RUNS)
    if not later.any():
        why = f"no session has more than {ARENA_SETTLED_RUNS} runs that were watched"
        return NotApplicable(why=why, evidence_missing=True)
    sessions = analyses.timeline.runs.session
    found = [
        np.flatnonzero(later & (sessions == session) & growth.grew)
        for session in np.unique(sessions[later]).tolist()
        if _is_growing(analyses, np.flatnonzero(later & (sessions == session)))
    ]
    return _finding(analyses, np.sort(np.concatenate(found)), int(later.sum())) if found else Passed()


def _is_growing(analyses: Analyses, later: Int64s) -> bool:
    """Twice at least: once is the one large input of a program."""
    grew = analyses.arena_growth.grew[later]
    return int(grew.sum()) > 1 and float(grew.mean()) >= ARENA_GROWS_SHARE


def _finding(analyses: Analyses, runs: Int64s, looked_at: int) -> Finding:
    timeline, growth = analyses.timeline, analyses.arena_growth
    grown_bytes = int(growth.growth_bytes[runs].sum())
    traced = runs[gpu_traced(timeline)[runs]]
    cost_ns = int(growth.allocating_ns[traced].sum()) if len(traced) else None
    calls = int(growth.allocations[traced].sum())
    paying = traced[growth.allocations[traced] > 0].tolist()
    asked = f"{calls} calls for memory took {format_ns(cost_ns)} in them." if calls else ""
    grew = f"By ORT's profile arenas grew by {format_bytes(grown_bytes)} in nodes." if grown_bytes else ""
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"onnxruntime asked the driver for GPU memory in {len(runs)} of {looked_at} runs behind the first ones",
        detail=f"{asked} {grew}".strip(),
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
