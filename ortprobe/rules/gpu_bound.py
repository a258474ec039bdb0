"""The GPU sets the pace: the host is done launching and waits for it.

What it is
    The session's own work keeps the GPU busy for at least half of each run, and the host waits for it, or the GPU is
    hardly ever idle while the host launches.

Why it matters
    Nothing on the host makes such a session faster: not fewer launches, not fewer waits, not a CUDA graph.

Evidence
    Steady runs that a GPU trace watched: how long the host waited behind its launches, and how busy the session's own
    work kept the GPU.

Cost
    None: the GPU is used. The dearest operators are named.

Fix
    Less work for the GPU: half precision, TF32, a layout that suits its kernels, a smaller model.

When it is wrong
    It is no fault, and this is information: it says where not to look.

Source
    Thresholds are those of `ortprobe/analysis/nodes/bounds.py`. ORT issue 20398: what comes behind `Execute` is the GPU
    being waited for, and no idling.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.bounds import Bound, SessionBound
from ortprobe.rules.evidence import cited
from ortprobe.rules.finding import Confidence, Finding, Outcome, Passed, Severity
from ortprobe.rules.launch_bound import unjudged_bounds
from ortprobe.rules.rule import Rule
from ortprobe.units import format_ns, format_ratio

MAIN_OPERATORS = 3
_FIX = """\
Give the GPU less to do. Where the model allows for it, convert it to half precision:
    model = onnxconverter_common.float16.convert_float_to_float16(onnx.load(path))"""


def check(analyses: Analyses) -> Outcome:
    if no_answer := unjudged_bounds(analyses):
        return no_answer
    bound = [each for each in analyses.bounds if each.bound is Bound.GPU]
    return _finding(analyses, bound) if bound else Passed()


def _finding(analyses: Analyses, bound: list[SessionBound]) -> Finding:
    worst = max(bound, key=lambda each: each.own_share or 0.0)
    sessions = {each.session for each in bound}
    dearest = [
        each for each in analyses.operators.operators if each.session in sessions and each.sums.device_ns
    ][:MAIN_OPERATORS]  # fmt: skip
    named = ", ".join(
        f"{each.op_type} {format_ratio(each.sums.share, 1)}" for each in dearest if each.sums.share is not None
    )
    busy = format_ns(round((worst.own_share or 0.0) * (worst.latency_ns or 0)))
    waiting = format_ns(round((worst.drain_share or 0.0) * (worst.latency_ns or 0)))
    return Finding(
        code=RULE.code,
        severity=Severity.INFO,
        title=f"The GPU sets the pace: a run's own work takes it {busy}, and the call {format_ns(worst.latency_ns)}",
        detail=f"The host waits for it for {waiting} of a run. Nothing on the host makes this faster."
        + (f" Of the GPU's time in nodes: {named}." if named else ""),
        count=len(bound),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=(),
        evidence=cited([each.first_span for each in dearest]),
        fix=_FIX,
    )


RULE = Rule(code="N5", name="gpu_bound", severity=Severity.INFO, check=check, fix=_FIX)
