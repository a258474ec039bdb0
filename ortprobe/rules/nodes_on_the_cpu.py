"""Nodes of a session that has a GPU compute on the CPU.

What it is
    Operators for which the execution provider has no kernel, or none for these types and attributes, run on the CPU in
    the middle of a graph whose other nodes run on the GPU.

Why it matters
    The GPU has to finish what comes before, its result is copied to the host, computed there by a few cores, and copied
    back. The GPU has nothing to do meanwhile, and such a session can capture no CUDA graph.

Evidence
    ORT's profile, which names the provider of each node. Nodes that take less than 20 µs are left out: ORT leaves
    shapes, indices and other scalars to the CPU on purpose.

Cost
    Host time of these nodes in steady runs with ORT's profile. What a run would take without them and their copies is
    told by a replay of the loop.

Fix
    Export with another opset, or write the operation with operators that have a kernel. Which nodes are where, without
    a profile, is told by `session.get_provider_graph_assignment_info()` (ORT 1.24 and later).

When it is wrong
    Work that really belongs to the host, such as looking strings up, and that nothing waits for.

Source
    ORT issues 7238, 17930; `GetCpuPreferredNodes` in `fallback_cpu_capability.cc` decides which nodes stay on purpose.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.detour_time import DetourTime
from ortprobe.analysis.path.changes import Change
from ortprobe.rules.evidence import (
    cited,
    distinct_sites,
    longest_first,
    op_types,
    time_of,
    without_nodes,
)
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.replays import Saving, saving
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import CPU_NODES_SHARE
from ortprobe.units import format_ns, format_ratio

_FIX = """\
See which nodes they are, and make ORT refuse such a model from now on:
      options = onnxruntime.SessionOptions()
    + options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
Then export with another opset, or write the operation with operators that the provider has."""


def check(analyses: Analyses) -> Outcome:
    if unknown := without_nodes(analyses):
        return unknown
    if not analyses.detour_times:
        return NotApplicable(why="no session ran nodes elsewhere than on the CPU", evidence_missing=False)
    held_up = [detour for detour in analyses.detour_times if _is_dear(analyses, detour)]
    return _finding(analyses, held_up) if held_up else Passed()


def _is_dear(analyses: Analyses, detour: DetourTime) -> bool:
    if not len(detour.cpu_nodes):
        return False
    saved = saving_without(analyses, detour)
    share = int(detour.cpu_ns.sum()) / max(detour.latency_ns, 1)
    return share >= CPU_NODES_SHARE or (saved is not None and saved.sure_share >= CPU_NODES_SHARE)


def saving_without(analyses: Analyses, detour: DetourTime) -> Saving | None:
    """What a session's runs would save without the detours over the CPU."""
    return saving(analyses, Change.NO_CPU_NODES, detour.session, "without them and the copies around them")


def _finding(analyses: Analyses, held_up: list[DetourTime]) -> Finding:
    timeline = analyses.timeline
    worst = max(held_up, key=lambda detour: int(detour.cpu_ns.sum()) / len(detour.runs))
    cost_ns, runs = sum(int(each.cpu_ns.sum()) for each in held_up), sum(len(each.runs) for each in held_up)
    nodes = sum(len(each.cpu_nodes) for each in held_up)
    each_ns = int(worst.cpu_ns.sum()) // len(worst.runs)
    saved = [found for each in held_up if (found := saving_without(analyses, each))]
    executed = [span for each in held_up for span in longest_first(each.cpu_span, each.cpu_ns)]
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"{nodes} {'node computes' if nodes == 1 else 'nodes compute'} on the CPU, between others on the GPU: "
        f"{format_ns(each_ns)} of a run, {format_ratio(int(worst.cpu_ns.sum()), worst.latency_ns)} of its time",
        detail=f"{op_types(timeline, worst.cpu_nodes.tolist())}. Times are the host's in runs with ORT's profile. "
        + " ".join(each.sentence for each in saved),
        count=nodes,
        cost_ns=cost_ns,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(timeline.sessions[each.session].site for each in held_up),
        evidence=cited(executed),
        fix=_FIX,
        over_runs=runs,
        paid=time_of(timeline, worst.cpu_span),
        saves_ns=sum(each.saves_ns for each in saved) if saved else None,
    )


RULE = Rule(code="N1", name="nodes_on_the_cpu", severity=Severity.WARNING, check=check, fix=_FIX)
