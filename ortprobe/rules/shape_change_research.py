"""Convolutions looked for their algorithm again, because the input had a new shape.

What it is
    For each shape that a convolution has not seen, ORT asks cuDNN for an algorithm and makes a plan, and the arena may
    grow. With the default of `cudnn_conv_algo_search`, EXHAUSTIVE, that takes longest.

Why it matters
    Such a run takes many times what its like take, and a program whose shapes vary pays it again and again.

Evidence
    ORT's profile: the input shapes of each execution of a convolution on a GPU, and its host time where they are new,
    beside its median with shapes that it knew. The first execution of each counts as the cold first run (F1).

Cost
    Host time of these executions, less that median.

Fix
    `cudnn_conv_algo_search: HEURISTIC`; pad or bucket inputs to few shapes, and run each once before the first request.

When it is wrong
    A program that warms its shapes up on purpose shows the same, once for each.

Source
    ORT issues 6978, 17443, 19838, 22705; PaddleX pull request 5057 (300 to 1,348 ms for each new shape with EXHAUSTIVE,
    1.9 ms with HEURISTIC, RTX 2080 Ti).
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.new_shapes import of_operators
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
Ask cuDNN for its first guess, which is as fast in the steady state on most models, and keep shapes few:
    + cuda = {"cudnn_conv_algo_search": "HEURISTIC"}
      session = onnxruntime.InferenceSession(path, providers=[("CUDAExecutionProvider", cuda), "CPUExecutionProvider"])
    + for shape in SHAPES: session.run(None, {name: np.zeros(shape, np.float32)})   # before the first request"""


def check(analyses: Analyses) -> Outcome:
    if unknown := without_nodes(analyses):
        return unknown
    timeline, new = analyses.timeline, analyses.new_shapes
    convolutions = of_operators(timeline, CONVOLUTIONS)
    if not convolutions.any():
        return NotApplicable(why="no convolution ran on a GPU", evidence_missing=False)
    rows = np.flatnonzero(convolutions[new.node])
    known = rows[new.known_ns[rows] != NONE]
    searching = known[np.isin(new.run[known], _searching_runs(analyses, known))]
    if len(searching):
        return _finding(analyses, searching)
    if len(rows) and not len(known):
        why = "no shape of a convolution was seen twice, so that nothing says what it takes with a known one"
        return NotApplicable(why=why, evidence_missing=True)
    return Passed()


def _searching_runs(analyses: Analyses, rows: Int64s) -> Int64s:
    """Runs whose convolutions with new shapes took several times what they take with known ones."""
    new, count = analyses.new_shapes, len(analyses.timeline.runs)
    took_ns, known_ns = (sum_by_group(new.run[rows], column[rows], count) for column in (new.host_ns, new.known_ns))
    searching = (took_ns >= RE_SEARCH_RATIO * known_ns) & (took_ns - known_ns >= RE_SEARCH_EXCESS_NS)
    return np.flatnonzero(searching)


def _finding(analyses: Analyses, rows: Int64s) -> Finding:
    timeline, new = analyses.timeline, analyses.new_shapes
    runs = np.unique(new.run[rows]).tolist()
    excess_ns = np.maximum(new.host_ns[rows] - new.known_ns[rows], 0)
    cost_ns, took_ns, known_ns = int(excess_ns.sum()), int(new.host_ns[rows].sum()), int(new.known_ns[rows].sum())
    profiled = timeline.runs.execute_span != NONE
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"New input shapes had convolutions look for their algorithm again in {len(runs)} "
        f"{'run' if len(runs) == 1 else 'runs'}: {format_ns(cost_ns // len(runs))} each time",
        detail=f"With new shapes the convolutions of such a run took the host {format_ns(took_ns // len(runs))}, with "
        f"shapes that they knew {format_ns(known_ns // len(runs))}. {_searches(analyses, runs)}",
        count=len(runs),
        cost_ns=cost_ns,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_run(timeline, run) for run in runs),
        evidence=cited([*longest_first(new.span[rows], excess_ns), *(run_span(timeline, run) for run in runs)]),
        fix=_FIX,
        over_runs=int(profiled.sum()),
        paid=time_of(timeline, new.span[rows]),
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
