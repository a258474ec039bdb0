"""Tracing makes runs so much longer that their times are mostly its own.

What it is
    ONNX Runtime's profile writes a record for each node, torch's profiler one for each CUDA call. A run of many small
    nodes takes several times as long with both as without.

Why it matters
    Latency, idle time and gaps of traced runs say little about the program then. Kernels take as long as ever.

Evidence
    The median of traced runs over that of runs with the hooks alone, of the same session and line. Where the capture
    has no such runs, the number of nodes and what a node's record costs at least.

Cost
    None: the program without tracing does not pay it.

Fix
    Take the latency from runs without tracing: let the program run on behind the traced ones, or trace fewer of them.
    Turn off profiling that the program itself has on.

When it is wrong
    Runs that differ in their inputs, or in what else the machine does, differ in time too.

Source
    Measured on an H100 with ResNet-50: ORT's profile alone doubles a run of 1.6 ms; with both and ranges it takes 2.4
    times as long.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.runs.run_times import HOOKS_ALONE
from ortprobe.analysis.trust.claims import Claim
from ortprobe.analysis.trust.overhead import FEWEST_TO_COMPARE
from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.rules.evidence import cant_tell, cited, run_span
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import DISTORTED_RATIO, DISTORTED_SHARE, NODE_COST_NS
from ortprobe.timeline import NONE, Int64s
from ortprobe.units import format_ns, format_ratio

_FIX = """\
Let enough runs follow the traced ones to take the latency from. Where the program profiles itself, turn that off:
    - options.enable_profiling = True"""


def check(analyses: Analyses) -> Outcome:
    if not analyses.timeline.runs.attached.any():
        return NotApplicable(why="no run was traced", evidence_missing=False)
    if doubtful := cant_tell(analyses, Claim.LATENCY):
        return doubtful
    ratio = analyses.overhead.ratio
    if ratio is not None:
        return _measured(analyses, ratio) if ratio >= DISTORTED_RATIO else Passed()
    runs = _profiled(analyses)
    if len(runs) >= FEWEST_TO_COMPARE and HOOKS_ALONE not in analyses.runs.latency_by_attached:
        nodes, latency_ns = _nodes(analyses, runs), int(np.median(analyses.runs.latency_ns[runs]))
        if nodes * NODE_COST_NS >= DISTORTED_SHARE * latency_ns:
            return _estimated(analyses, runs, nodes, latency_ns)
    why = "can't tell, because too few runs of one line were recorded both with and without tracing"
    return NotApplicable(why=why, evidence_missing=True)


def _profiled(analyses: Analyses) -> Int64s:
    """Steady runs with ORT's profile attached."""
    attached = (analyses.timeline.runs.attached & ATTACHED_ORT_PROFILE) != 0
    return np.flatnonzero(attached & analyses.runs.steady)


def _nodes(analyses: Analyses, runs: Int64s) -> int:
    """Executions of nodes in the median one of these runs."""
    run = analyses.timeline.links.run[analyses.timeline.node_spans.span]
    counts = np.bincount(run[run != NONE], minlength=len(analyses.timeline.runs))[runs]
    return int(np.median(counts)) if len(counts) else 0


def _measured(analyses: Analyses, ratio: float) -> Finding:
    overhead = analyses.overhead
    traced, untraced = format_ns(overhead.traced_median_ns), format_ns(overhead.untraced_median_ns)
    detail = f"A run takes {traced} traced and {untraced} without. Believe the latter, and the kernels' own times."
    title = f"Traced runs take {ratio:.1f} times as long as others, so their gaps are mostly tracing's own"
    return _finding(analyses, title, detail, Confidence.CERTAIN)


def _estimated(analyses: Analyses, runs: Int64s, nodes: int, latency_ns: int) -> Finding:
    share = format_ratio(nodes * NODE_COST_NS, latency_ns)
    title = f"About {share} of a run is the work of profiling, and no run without it shows the latency"
    detail = f"Medians over {len(runs)} runs: {nodes:,} nodes in {format_ns(latency_ns)}, and a node's record costs "
    detail += f"{format_ns(NODE_COST_NS)} at least. The capture was too short for runs without tracing, or the program "
    return _finding(analyses, title, f"{detail}profiles itself.", Confidence.LIKELY)


def _finding(analyses: Analyses, title: str, detail: str, confidence: Confidence) -> Finding:
    runs = _profiled(analyses)
    return Finding(
        code=RULE.code,
        severity=Severity.INFO,
        title=title,
        detail=detail,
        count=len(runs),
        cost_ns=None,
        confidence=confidence,
        where=(),
        evidence=cited([run_span(analyses.timeline, run) for run in runs.tolist()]),
        fix=_FIX,
    )


RULE = Rule(code="M1", name="profiling_distorts", severity=Severity.INFO, check=check, fix=_FIX)
