"""ORT put copies between the GPU and the host into the graph.

What it is
    `MemcpyToHost` and `MemcpyFromHost` are nodes of no model: ORT puts them in where a node wants an input on the other
    side. Around nodes on the CPU, and before nodes on the GPU that want an input on the host, such as the bounds of
    `Slice` or the sizes of `Resize`, when the GPU has computed it.

Why it matters
    Each copy to the host waits until the GPU has done all that comes before. With such nodes no CUDA graph can be
    captured.

Evidence
    ORT's profile, which lists these nodes, and the waits for their copies that a GPU trace shows between nodes.

Cost
    Host time of the Memcpy nodes and of the waits between nodes in steady runs with ORT's profile. Where no node
    computes on the CPU, a replay of the loop tells what a run would take without them; where some do, see N1.

Fix
    Keep what must be on the host constant, or compute it from shapes, which ORT leaves to the CPU; move nodes from the
    CPU to the GPU.

When it is wrong
    An output that the program wants on the host is copied anyway.

Source
    ORT pull request 18032 (a warning for such nodes), issue 14070; `memcpy_transformer.cc`.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.detour_time import DetourTime
from ortprobe.rules.evidence import cited, distinct_sites, longest_first, op_types, time_of, without_nodes
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.nodes_on_the_cpu import saving_without
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import MEMCPY_SHARE
from ortprobe.units import format_ns, format_ratio

_FIX = """\
Ask ORT which nodes they are for, then give these constants, or compute what they want from shapes:
      options = onnxruntime.SessionOptions()
    + options.log_severity_level = 1   # says for each Memcpy node why it is there
      session = onnxruntime.InferenceSession(path, options, providers=providers)"""


def check(analyses: Analyses) -> Outcome:
    if unknown := without_nodes(analyses):
        return unknown
    if not analyses.detour_times:
        return NotApplicable(why="no session ran nodes elsewhere than on the CPU", evidence_missing=False)
    copying = [detour for detour in analyses.detour_times if len(detour.memcpy_span)]
    return _finding(analyses, copying) if copying else Passed()


def _finding(analyses: Analyses, copying: list[DetourTime]) -> Finding:
    timeline = analyses.timeline
    worst = max(copying, key=_share)
    cost_ns, runs = sum(int(each.memcpy_ns.sum()) for each in copying), sum(len(each.runs) for each in copying)
    nodes = sum(len(each.memcpy_nodes) for each in copying)
    alone = [each for each in copying if not len(each.cpu_nodes)]
    saved = [found for each in alone if (found := saving_without(analyses, each))]
    computing = sum(len(each.cpu_nodes) for each in copying)
    for_whom = f"{computing} nodes compute on the CPU (N1). " if computing else "No node computes on the CPU. "
    each_ns = int(worst.memcpy_ns.sum()) // len(worst.runs)
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if _share(worst) >= MEMCPY_SHARE else Severity.INFO,
        title=f"ORT put {nodes} {'copy' if nodes == 1 else 'copies'} between GPU and host into the graph: "
        f"{format_ns(each_ns)} of a run, {format_ratio(int(worst.memcpy_ns.sum()), worst.latency_ns)} of its time",
        detail=f"{op_types(timeline, worst.memcpy_nodes.tolist())}; the waits for them are counted in. {for_whom}"
        "Times are the host's in runs with ORT's profile. No CUDA graph can be captured with them. "
        + " ".join(each.sentence for each in saved),
        count=nodes,
        cost_ns=cost_ns,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(timeline.sessions[each.session].site for each in copying),
        evidence=cited([span for each in copying for span in longest_first(each.memcpy_span, each.memcpy_ns)]),
        fix=_FIX,
        over_runs=runs,
        paid=time_of(timeline, worst.memcpy_span),
        saves_ns=sum(each.saves_ns for each in saved) if saved else None,
    )


def _share(detour: DetourTime) -> float:
    return int(detour.memcpy_ns.sum()) / max(detour.latency_ns, 1)


RULE = Rule(code="N2", name="memcpy_nodes", severity=Severity.WARNING, check=check, fix=_FIX)
