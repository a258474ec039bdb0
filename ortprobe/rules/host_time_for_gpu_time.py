"""A profile has nodes on a GPU, and nothing says how long the GPU worked for them.

What it is
    For a node on a GPU the `dur` in ONNX Runtime's profile is how long the host took to launch its kernels. Without a
    trace of the device that is all there is, and it is easily taken for the time of the node.

Why it matters
    The node that is dearest on the host is seldom the one that is dearest on the GPU.

Evidence
    Executions of nodes under a provider for GPUs in sessions of which no trace holds any kernel, copy or fill.

Cost
    None: it costs evidence.

Fix
    Trace the device too: `ortprobe trace` attaches torch's profiler where torch is installed. `ortprobe doctor` says
    what is in its way.

When it is wrong
    A host time is the right figure for a run that is bound by its launches.

Source
    onnxruntime 1.31.1 on an H100: node spans end when the launches have returned, with the stream still at work.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.evidence import cited
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.silent_cpu import GPU_PROVIDERS
from ortprobe.timeline import NONE, Int32s, Int64s, SourceKind, Timeline
from ortprobe.units import format_ns

_FIX = """\
Run the program under `ortprobe trace`; where that records no device work, `ortprobe doctor` says why."""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not any(source.kind is SourceKind.ORT_PROFILE for source in timeline.sources):
        return NotApplicable(why="the capture holds no profile of ONNX Runtime", evidence_missing=True)
    on_gpu = _rows_on_gpu(timeline)
    if not len(on_gpu):
        return NotApplicable(why="no node ran on a GPU", evidence_missing=False)
    session = timeline.nodes.session[timeline.node_spans.node[on_gpu]]
    unseen = on_gpu[~np.isin(session, _sessions_seen(timeline))]
    return _finding(timeline, timeline.node_spans.span[unseen]) if len(unseen) else Passed()


def _rows_on_gpu(timeline: Timeline) -> Int64s:
    """Executions, as rows of `Timeline.node_spans`, of nodes that a provider for GPUs ran."""
    names = [number for number, name in enumerate(timeline.names) if name in GPU_PROVIDERS]
    return np.flatnonzero(np.isin(timeline.nodes.provider[timeline.node_spans.node], names))


def _sessions_seen(timeline: Timeline) -> Int32s:
    """Sessions with device work in any of their runs."""
    run = timeline.links.run[timeline.device_ops.span]
    return np.unique(timeline.runs.session[run[run != NONE]])


def _finding(timeline: Timeline, spans: Int32s) -> Finding:
    host_ns = timeline.spans.duration_ns[spans]
    return Finding(
        code=RULE.code,
        severity=Severity.INFO,
        title=f"{len(spans):,} executions of nodes on a GPU have the host's time alone ({format_ns(host_ns.sum())})",
        detail="That is how long launching their kernels took. No device work of these sessions was recorded, so how "
        "long the GPU took for a node is not known.",
        count=len(spans),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=(),
        evidence=cited(spans[np.argsort(-host_ns, kind="stable")].tolist()),
        fix=_FIX,
    )


RULE = Rule(code="M3", name="host_time_for_gpu_time", severity=Severity.INFO, check=check, fix=_FIX)
