"""The host launches kernels more slowly than the GPU executes them.

What it is
    A run of many short kernels: each takes the GPU less time than the host needs to launch it, so that the GPU waits
    for the next one again and again.

Why it matters
    A faster GPU changes nothing, and a smaller model hardly anything. The same work launched at once takes a fraction.

Evidence
    Steady runs that a GPU trace watched without ORT's profile: while the host launches, the GPU is busy for less than
    half of the time, and behind that there is hardly anything left to wait for. What launching at once would save is
    told by a replay of the loop, with the host as slow as tracing made it and without what tracing cost.

Cost
    While the host launched, the time in which the GPU had nothing to do, in the runs watched that way.

Fix
    A CUDA graph, where shapes and buffers stay the same; else fewer and larger kernels: all optimisations on, larger
    batches.

When it is wrong
    It is no fault of a program that its model is small: so this is information. Nodes on the CPU (N1) leave the GPU
    idle, too; where ORT put copies into the graph no CUDA graph can be captured, and this rule says nothing. Where
    input sizes vary, or nodes wait (N3), one can't be captured either.

Source
    Measured on an H100 (`encoder` and `tiny` of `tests/benchmarks/workload_models.py`): kernels of 1.7 to 2.2 µs, some
    10 µs apart.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.nodes.bounds import Bound, SessionBound
from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.runs.run_times import TORCH_ALONE
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, run_span, site_of_run
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.replays import Saving, saving
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import LAUNCH_GAP_NS, LAUNCHING_SHARE, ONE_LAUNCH_SAVES
from ortprobe.timeline import Int64s, Kind
from ortprobe.units import format_ns, format_ratio

_FIX = """\
Where shapes and buffers stay the same, have ORT capture a CUDA graph; fill bound buffers with `copy_`:
    + cuda = {"enable_cuda_graph": "1"}
      session = onnxruntime.InferenceSession(path, providers=[("CUDAExecutionProvider", cuda), "CPUExecutionProvider"])
      session.run_with_iobinding(binding)   # the first run captures, the others replay
Otherwise put more into one run: larger batches, all optimisations on."""


def check(analyses: Analyses) -> Outcome:
    if no_answer := unjudged_bounds(analyses):
        return no_answer
    launching = [bound for bound in analyses.bounds if _is_launching(analyses, bound)]
    savings = [_saving(analyses, bound) for bound in launching]
    for bound, saved in zip(launching, savings, strict=True):
        if saved is not None and saved.sure_share >= ONE_LAUNCH_SAVES:
            return _finding(analyses, bound, saved)
    if None in savings:
        why = "can't tell what launching at once would give: the loop of a session that is slow at it was not replayed"
        return NotApplicable(why=why, evidence_missing=True)
    return Passed()


def unjudged_bounds(analyses: Analyses) -> NotApplicable | None:
    """Why nobody can say whether host or GPU sets the pace; None where that is known of a session."""
    if not len(analyses.timeline.device_ops.span):
        capture = analyses.timeline.capture
        why = "no device work was recorded"
        return NotApplicable(why=why, evidence_missing=bool(capture.devices) or not capture.hooked)
    if doubtful := cant_tell(analyses, Claim.IDLE, Claim.WAITS):
        return doubtful
    if all(bound.bound is Bound.UNKNOWN for bound in analyses.bounds):
        why = "no steady run was watched by a GPU trace without ORT's profile, which makes launching slower"
        return NotApplicable(why=why, evidence_missing=True)
    return None


def _is_launching(analyses: Analyses, bound: SessionBound) -> bool:
    """Whether the host sets the pace and launches for most of it. With Memcpy nodes it is theirs (N2)."""
    copies = any(detour.session == bound.session and detour.memcpy_nodes for detour in analyses.detours)
    launching_ns = bound.launching_ns or 0
    close = launching_ns <= LAUNCH_GAP_NS * _kernels_per_run(analyses, bound.session)
    return (
        bound.bound is Bound.LAUNCH
        and launching_ns >= LAUNCHING_SHARE * (bound.latency_ns or 1)
        and close
        and not copies
    )


def _kernels_per_run(analyses: Analyses, session: int) -> float:
    timeline, runs = analyses.timeline, _watched(analyses, session)
    kernels = timeline.spans.of_kind(Kind.KERNEL)
    return float(np.isin(timeline.links.run[kernels], runs).sum()) / max(len(runs), 1)


def _saving(analyses: Analyses, bound: SessionBound) -> Saving | None:
    return saving(analyses, Change.ONE_LAUNCH, bound.session, "if all of it were launched at once")


def _finding(analyses: Analyses, bound: SessionBound, saved: Saving) -> Finding:
    timeline, phases = analyses.timeline, analyses.phases
    runs = _watched(analyses, bound.session)
    begin_ns = timeline.runs.start_ns[runs] + np.maximum(phases.before_launch_ns[runs], 0)
    end_ns = begin_ns + np.maximum(phases.launching_ns[runs], 0)
    launching_ns, busy_share = bound.launching_ns or 0, bound.busy_share or 0.0
    kernel, share = format_ns(bound.kernel_ns), format_ratio(busy_share, 1)
    return Finding(
        code=RULE.code,
        severity=Severity.INFO,
        title=f"The host is slower at launching than the GPU at computing: {format_ns(launching_ns)} of launching in a "
        f"run, with the GPU busy for {share} of it",
        detail=f"A kernel takes the GPU {kernel} in the median. {saved.sentence} Medians of {bound.runs} runs with "
        "torch's profiler alone, which slows launching down.",
        count=bound.runs,
        cost_ns=round(float((end_ns - begin_ns).sum()) * (1 - busy_share)),
        confidence=Confidence.LIKELY,
        where=distinct_sites(site_of_run(timeline, run) for run in runs.tolist()),
        evidence=cited([run_span(timeline, run) for run in runs.tolist()]),
        fix=_FIX,
        over_runs=len(runs),
        paid=stretches(zip(begin_ns.tolist(), end_ns.tolist(), strict=True)),
        saves_ns=saved.saves_ns,
    )


def _watched(analyses: Analyses, session: int) -> Int64s:
    """Steady runs of a session that torch's profiler watched alone."""
    times, runs = analyses.runs, analyses.timeline.runs
    alone = times.steady & gpu_traced(analyses.timeline) & (times.attached == TORCH_ALONE)
    return np.flatnonzero(alone & (runs.session == session))


RULE = Rule(code="N4", name="launch_bound", severity=Severity.INFO, check=check, fix=_FIX)
