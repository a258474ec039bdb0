"""Convolutions looked for their algorithm again, because the input had another shape than in the run before.

What it is
    When a convolution's input has another shape than the last time, ORT makes a new plan with cuDNN and, by the default
    of `cudnn_conv_algo_search`, EXHAUSTIVE, looks for the fastest. It keeps the last plan alone: a shape that was there
    before costs as much as one that never was.

Why it matters
    Such a run takes many times what its like take, and a program whose shapes alternate pays it in every run.

Evidence
    ORT's profile: the input shapes of each execution of a convolution on a GPU, and its host time where they are others
    than the time before, beside its median where they are the same. Where they never are, beside what the host takes
    for the other operators of the session. The first execution of each counts as the cold first run (F1).

Cost
    Host time of these executions, less that median, in the runs that have ORT's profile.

Fix
    Pad inputs to one shape, or run all inputs of one shape one after the other; a session for each of a few shapes.
    `cudnn_conv_algo_search: HEURISTIC` makes each search shorter.

When it is wrong
    A program that warms one shape up on purpose shows the same, once.

Source
    Measured on an H100 with onnxruntime-gpu 1.31.1, eight small convolutions: 77 to 154 ms at each change, also back to
    a shape that had been there, and 0.4 ms without. ORT issues 6978, 17443, 19838, 22705.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.shape_changes import of_operators
from ortprobe.rules.evidence import (
    cited,
    distinct_sites,
    longest_first,
    run_span,
    site_of_run,
    time_of,
    without_nodes,
)
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import RE_SEARCH_EXCESS_NS, RE_SEARCH_RATIO
from ortprobe.timeline import NONE, Int64s
from ortprobe.timeline.groups import sum_by_group
from ortprobe.units import format_ns

CONVOLUTIONS = frozenset({"Conv", "FusedConv", "ConvTranspose", "NhwcConv", "NhwcFusedConv"})
_FIX = """\
Pad inputs to one shape, or sort them so that those of one shape follow each other. Where neither can be, have cuDNN
guess instead of searching:
    + cuda = {"cudnn_conv_algo_search": "HEURISTIC"}
    + providers = [("CUDAExecutionProvider", cuda), "CPUExecutionProvider"]
      session = onnxruntime.InferenceSession(path, providers=providers)"""


def check(analyses: Analyses) -> Outcome:
    if unknown := without_nodes(analyses):
        return unknown
    timeline, changes = analyses.timeline, analyses.shape_changes
    convolutions = of_operators(timeline, CONVOLUTIONS)
    if not convolutions.any():
        return NotApplicable(why="no convolution ran on a GPU", evidence_missing=False)
    rows = np.flatnonzero(convolutions[changes.node])
    known = rows[changes.usual_ns[rows] != NONE]
    searching = known[np.isin(changes.run[known], _searching_runs(analyses, known))]
    if len(searching):
        return _finding(analyses, searching)
    if len(rows) and not len(known):
        why = "no convolution had the same shape twice in turn, so that nothing says what it takes without a change"
        return NotApplicable(why=why, evidence_missing=True)
    return Passed()


def _searching_runs(analyses: Analyses, rows: Int64s) -> Int64s:
    """Runs whose convolutions with other shapes took several times what they take with the same."""
    changes, count = analyses.shape_changes, len(analyses.timeline.runs)
    took_ns, usual_ns = (
        sum_by_group(changes.run[rows], column[rows], count) for column in (changes.host_ns, changes.usual_ns)
    )
    return np.flatnonzero((took_ns >= RE_SEARCH_RATIO * usual_ns) & (took_ns - usual_ns >= RE_SEARCH_EXCESS_NS))


def _finding(analyses: Analyses, rows: Int64s) -> Finding:
    timeline, changes = analyses.timeline, analyses.shape_changes
    runs = np.unique(changes.run[rows]).tolist()
    excess_ns = np.maximum(changes.host_ns[rows] - changes.usual_ns[rows], 0)
    cost_ns, took_ns = int(excess_ns.sum()), int(changes.host_ns[rows].sum())
    by_others = bool(changes.by_others[rows].any())
    compared = "as many executions of the session's other operators" if by_others else "with the same shapes in turn"
    usual_ns = int(changes.usual_ns[rows].sum()) // len(runs)
    profiled = timeline.runs.execute_span != NONE
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"Other input shapes than before had convolutions look for their algorithm again in {len(runs)} "
        f"{'run' if len(runs) == 1 else 'runs'}: {format_ns(cost_ns // len(runs))} each time",
        detail=f"The convolutions of such a run took the host {format_ns(took_ns // len(runs))}; {compared} take "
        f"{format_ns(usual_ns)}. {_searches(analyses, runs)}".rstrip(),
        count=len(runs),
        cost_ns=cost_ns,
        confidence=Confidence.LIKELY if by_others else Confidence.CERTAIN,
        where=distinct_sites(site_of_run(timeline, run) for run in runs),
        evidence=cited([*longest_first(changes.span[rows], excess_ns), *(run_span(timeline, run) for run in runs)]),
        fix=_FIX,
        over_runs=int(profiled.sum()),
        paid=time_of(timeline, changes.span[rows]),
    )


def _searches(analyses: Analyses, runs: list[int]) -> str:
    """The option that the sessions have, where it is known."""
    sessions = np.unique(analyses.timeline.runs.session[runs]).tolist()
    cuda = [
        analyses.timeline.sessions[session].provider_options.get("CUDAExecutionProvider", {}) for session in sessions
    ]
    options = {each.get("cudnn_conv_algo_search") for each in cuda}
    named = sorted(option for option in options if option)
    return f"cudnn_conv_algo_search is {' and '.join(named)}." if named else ""


RULE = Rule(code="F2", name="shape_change_research", severity=Severity.WARNING, check=check, fix=_FIX)
