"""`findings.json`: what a capture says, for machines. `null` is what nobody measured; 0 was measured."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.idle.idle_lines import IdleLine
from ortprobe.analysis.idle.starvation import StreamStarvation
from ortprobe.analysis.nodes.operators import NodeCategory, Operators
from ortprobe.analysis.runs.run_comparison import Reason
from ortprobe.analysis.runs.run_differences import IdleDifference, WaitDifference
from ortprobe.analysis.runs.spread import Spread
from ortprobe.analysis.trust.claims import Claim
from ortprobe.analysis.waits.wait_groups import WaitGroup
from ortprobe.analysis.waits.wait_times import Waiter
from ortprobe.report.sayable import (
    doubt,
    doubt_of_waits,
    stated_believable,
    stated_bounds,
    stated_operators,
    stated_overhead,
    stated_path_shares,
    stated_slowest,
    stated_waits,
    stated_what_ifs,
    stated_without_re_inits,
)
from ortprobe.report.session_json import session_lives
from ortprobe.report.verdict import verdict
from ortprobe.report.wording import site_text
from ortprobe.rules import Finding, Judgement
from ortprobe.timeline import NONE, LinkedBy, LinkKind, Problem, Timeline, own_stream

SCHEMA_VERSION = 1
_MOST_REASONS = 10
_MAX_LINES = 10

Document = dict[str, object]


def findings_json(judgement: Judgement) -> bytes:
    """The document as indented UTF-8 JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(findings_document(judgement)), indent=2) + b"\n"


def findings_document(judgement: Judgement) -> Document:
    """The document as plain dicts, lists, strings and numbers."""
    analyses = judgement.analyses
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict(judgement),
        "integrity": _integrity(analyses),
        "overhead": _overhead(analyses),
        "summary": _summary(analyses),
        "findings": [_finding(analyses.timeline, finding) for finding in judgement.findings],
    }


def _integrity(analyses: Analyses) -> Document:
    integrity = analyses.integrity
    return {
        "ok": integrity.ok,
        "problems": [_problem(analyses, problem) for problem in integrity.problems],
        "sync_calls": integrity.sync_calls,
        "sync_resolved": integrity.sync_resolved,
    }


def _problem(analyses: Analyses, problem: Problem) -> Document:
    timeline = analyses.timeline
    own = (each for each in analyses.integrity.objections if each.problem is problem)
    return {
        "kind": problem.kind.value,
        "detail": problem.detail,
        "source": timeline.sources[problem.source].path if problem.source is not None else None,
        "count": problem.count,
        "start_ns": problem.start_ns,
        "end_ns": problem.end_ns,
        "evidence": [_evidence(timeline, span) for span in problem.evidence],
        "unsayable": [{"claim": each.claim.value, "why": each.reason, "whole": each.whole} for each in own],
    }


def _overhead(analyses: Analyses) -> Document:
    overhead = stated_overhead(analyses)
    phases = {
        cost.phase.value: {"torch_only_ns": cost.torch_only_ns, "traced_ns": cost.traced_ns} for cost in overhead.phases
    }
    return {
        "traced_median_ns": overhead.traced_median_ns,
        "torch_only_median_ns": overhead.torch_only_median_ns,
        "untraced_median_ns": overhead.untraced_median_ns,
        "ratio": overhead.ratio,
        "hook_cost_ns": overhead.hook_cost_ns,
        "traced_period_ns": overhead.traced_period_ns,
        "torch_only_period_ns": overhead.torch_only_period_ns,
        "untraced_period_ns": overhead.untraced_period_ns,
        "phases": phases or None,
        "cuda_call_ns": overhead.launch.cuda_call_ns,
        "cuda_call_is_a_floor": overhead.launch.hidden,
        "node_ns": overhead.launch.node_ns,
        "smallest_believable_gap_ns": overhead.launch.launch_ns,
    }


def _summary(analyses: Analyses) -> Document:
    return {
        "runs": len(analyses.timeline.runs),
        "runs_only_counted": analyses.timeline.capture.counted_runs,
        "children": [
            {"process": child.process, "bundle": child.bundle, "sessions": child.sessions, "runs": child.runs}
            for child in analyses.timeline.capture.children
        ],
        "sessions": analyses.sessions.created,
        "re_inits": analyses.sessions.re_inits,
        "session_lives": session_lives(analyses),
        "latency_ns": _latency(analyses),
        "period_ns": _period(analyses),
        "slowest_run": _slowest_run(analyses),
        "kernels": _kernels(analyses),
        "nodes": _nodes(analyses),
        "waits": _waits(analyses),
        "critical_path": _critical_path(analyses),
        "what_if": _what_if(analyses),
        "without_re_inits": [
            {
                "sessions": each.sessions,
                "runs": each.runs,
                "re_inits": each.re_inits,
                "pace_ns": each.pace_ns,
                "without_ns": each.without_ns,
                "high_ns": each.high_ns,
            }
            for each in stated_without_re_inits(analyses)
        ],
        "models": _models(analyses),
        "devices": [_device(analyses, device) for device in analyses.idle.devices],
    }


def _latency(analyses: Analyses) -> Document:
    runs = analyses.runs
    times: Document = {
        "first": runs.first_ns,
        **_spread(runs.latency),
        "untraced_median": runs.untraced_median_ns,
    }
    return dict.fromkeys(times) if doubt(analyses, Claim.LATENCY) else times


def _period(analyses: Analyses) -> Document:
    times = _spread(analyses.runs.period)
    return dict.fromkeys(times) if doubt(analyses, Claim.LATENCY) else times


def _spread(spread: Spread) -> Document:
    return {
        "median": spread.median_ns,
        "p50": spread.median_ns,
        "p90": spread.p90_ns,
        "p95": spread.p95_ns,
        "p99": spread.p99_ns,
        "min": spread.min_ns,
        "max": spread.max_ns,
    }


def _slowest_run(analyses: Analyses) -> Document | None:
    """Against the median run of the same session with the same attached; null where nothing is known of such two."""
    slowest = stated_slowest(analyses)
    if slowest is None:
        return None
    return {
        "run": slowest.slow,
        "median_run": slowest.median,
        "session": slowest.session,
        "of_runs": slowest.runs,
        "latency_ns": slowest.slow_ns,
        "median_latency_ns": slowest.median_ns,
        "difference_ns": slowest.difference_ns,
        "phases": {each.phase.value: each.more_ns for each in slowest.phases if each.phase},
        "reasons": [_reason(analyses.timeline, reason) for reason in slowest.reasons[:_MOST_REASONS]],
    }


def _reason(timeline: Timeline, reason: Reason) -> Document:
    """Without names and files, which an anonymous capture has others of. `node` is a row of the table of nodes."""
    if isinstance(reason, IdleDifference):
        own: Document = {"device": reason.device, "cause": reason.cause.value}
        times: Document = {"start_ns": reason.start_ns, "end_ns": reason.end_ns}
        return {"kind": "idle", "more_ns": reason.idle_ns, **own, **times}
    spans, span = timeline.spans, reason.slow_span
    known = span != NONE
    times = {
        "start_ns": int(spans.start_ns[span]) if known else None,
        "end_ns": int(spans.end_ns[span]) if known else None,
    }
    if isinstance(reason, WaitDifference):
        stream = own_stream(timeline.lane_of(reason.work).stream)
        return {"kind": "wait", "more_ns": reason.stall_ns, "waited_stream": stream, **times}
    own = {"node": reason.node, "device_ns": reason.device_ns, "host_ns": reason.host_ns}
    return {"kind": "node", "more_ns": reason.largest_ns, **own, **times}


def _nodes(analyses: Analyses) -> Document | None:
    """How many nodes run on the CPU beside others and how many copy between them, summed GPU time of layout changes and
    casts, and for each session what sets its pace; null without a node, and where that can't be told."""
    if not analyses.nodes.nodes:
        return None
    operators = stated_operators(analyses)
    layout_ns, cast_ns = (_of_category(operators, each) for each in (NodeCategory.LAYOUT, NodeCategory.CAST))
    sums = operators.by_category.values()
    cpu_placed, memcpy = (
        sum(of_session[category].nodes for of_session in sums if category in of_session)
        for category in (NodeCategory.CPU_PLACED, NodeCategory.MEMCPY)
    )
    bounds = {str(each.session): each.bound.value for each in stated_bounds(analyses)}
    return {
        "cpu_placed": cpu_placed,
        "memcpy": memcpy,
        "layout_ns": layout_ns,
        "cast_ns": cast_ns,
        "bound": bounds or None,
    }


def _of_category(operators: Operators, category: NodeCategory) -> int | None:
    """Summed GPU time; null where no GPU time of any node is known."""
    if not any(each.sums.device_ns is not None for each in operators.operators):
        return None
    found = (of_session.get(category) for of_session in operators.by_category.values())
    return sum(sums.device_ns or 0 for sums in found if sums)


def _waits(analyses: Analyses) -> Document:
    """How long waits stalled threads and held streams back, each by what the wait was in the program."""
    groups, known = stated_waits(analyses), not doubt_of_waits(analyses)
    return {
        "count": len(analyses.waits),
        "unresolved": analyses.waits.unresolved,
        "host_stall_ns": _stalls(groups, Waiter.HOST) if known else None,
        "stream_stall_ns": _stalls(groups, Waiter.STREAM) if known else None,
        "not_needed_ns": sum(group.not_needed_ns or 0 for group in groups) if known else None,
    }


def _critical_path(analyses: Analyses) -> Document | None:
    """Of the steady runs together; null where no path was followed, or none can be told."""
    shares = stated_path_shares(analyses)
    if shares is None:
        return None
    return {
        "runs": len(shares.runs),
        "latency_ns": shares.latency_ns,
        "by_kind": {kind.value: ns for kind, ns in shares.by_kind.items()},
        "host_by_cause": {cause.value: ns for cause, ns in shares.host_by_cause.items()},
    }


def _what_if(analyses: Analyses) -> Document | None:
    """`node` is a row of the table of nodes; null where no loop could be replayed, or nothing can be told."""
    what_ifs = stated_what_ifs(analyses)
    if what_ifs is None:
        return None
    return {
        "runs": len(what_ifs.loop.runs),
        "pace_ns": what_ifs.pace_ns,
        "traced_pace_ns": what_ifs.measured.pace_ns,
        "replayed_pace_ns": what_ifs.replayed.pace_ns,
        "error": what_ifs.error,
        "cost_per_call_ns": what_ifs.cost_per_call_ns,
        "changes": [
            {
                "change": change.change.value,
                "cause": change.cause.value if change.cause else None,
                "node": None if change.node == NONE else change.node,
                "pace_ns": change.pace_ns,
                "low_ns": change.low_ns,
                "high_ns": change.high_ns,
            }
            for change in what_ifs.changes
        ],
    }


def _stalls(groups: Sequence[WaitGroup], waiter: Waiter) -> Document:
    """By role; null where no wait of a role says what it waited for."""
    sums: dict[str, int | None] = {}
    for group in groups:
        if group.waiter is waiter:
            before = sums.setdefault(group.role.value, None)
            sums[group.role.value] = before if group.stall_ns is None else (before or 0) + group.stall_ns
    return dict(sums)


def _device(analyses: Analyses, device: DeviceIdle) -> Document:
    known: Document = {"device": device.device, "window_ns": device.window_ns}
    if doubt(analyses, Claim.IDLE):
        unknown = ("busy_ns", "idle_ns", "idle_by_cause", "idle_without_tracing", "idle_by_line", "streams")
        return known | dict.fromkeys(unknown)
    believed = {each.device: each.by_cause for each in stated_believable(analyses).devices}.get(device.device)
    bounds = {cause.value: [each.low_ns, each.high_ns] for cause, each in (believed or {}).items()}
    (lines,) = (each for each in analyses.idle_lines.devices if each.device == device.device)
    return known | {
        "busy_ns": device.busy_ns,
        "idle_ns": device.idle_ns,
        "idle_by_cause": {cause.value: time_ns for cause, time_ns in device.idle_by_cause.items()},
        "idle_without_tracing": bounds or None,
        "idle_by_line": [_line(line) for line in lines.lines[:_MAX_LINES]],
        "streams": [_stream(one) for one in analyses.starvation.streams if one.device == device.device],
    }


def _line(line: IdleLine) -> Document:
    """`next` is the line that the thread was on its way to when it was in no hooked call; null inside of one."""
    return {
        "cause": line.cause.value,
        "line": site_text(line.site) or None,
        "next": site_text(line.next_site) or None,
        "time_ns": line.time_ns,
        "pieces": line.pieces,
    }


def _stream(starved: StreamStarvation) -> Document:
    """Busy, starved and device idle are the life; `meanwhile_ns` is by the streams that ran while this one starved."""
    return {
        "stream": own_stream(starved.stream),
        "life_ns": starved.life_ns,
        "busy_ns": starved.busy_ns,
        "starved_ns": starved.starved_ns,
        "device_idle_ns": starved.device_idle_ns,
        "starved_by_cause": {cause.value: time_ns for cause, time_ns in starved.starved_by_cause.items()},
        "meanwhile_ns": {str(own_stream(other)): time_ns for other, time_ns in starved.meanwhile_ns.items()},
    }


def _kernels(analyses: Analyses) -> Document:
    """All kernels: those with their node, by how it was found, and those without, by why, are the total.

    Without device work nobody can tell a program without kernels from a trace without them.
    """
    if not analyses.idle.devices:
        return dict.fromkeys(("total", "of_ort", "with_node", "by", "without_node"))
    nodes, kernels = analyses.nodes, analyses.attribution.kernels
    by = {way: kernels.node_by.get(way) for way in (LinkedBy.NESTED, LinkedBy.SAME_SEQUENCE)}
    return {
        "total": nodes.kernels_total,
        "of_ort": nodes.kernels_of_ort,
        "with_node": nodes.kernels_with_node,
        "by": {way.name.lower(): amount.count if amount else 0 for way, amount in by.items()},
        "without_node": {reason.value: amount.count for reason, amount in kernels.without_node.items()},
    }


def _models(analyses: Analyses) -> Document | None:
    """The model files that were read, and how many executed nodes were found in them; null where there are none."""
    timeline, found = analyses.timeline, analyses.nodes.in_models
    if not timeline.models:
        return None
    return {
        "files": [{"path": model.path, "size_bytes": model.size_bytes} for model in timeline.models],
        "nodes": {kind.name.lower(): found.get(kind, 0) for kind in LinkKind},
    }


def _finding(timeline: Timeline, finding: Finding) -> Document:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "title": finding.title,
        "detail": finding.detail,
        "count": finding.count,
        "cost_ns": finding.cost_ns,
        "runs": finding.over_runs,
        "cost_per_run_ns": finding.cost_per_run_ns,
        "own_cost_ns": finding.own_cost_ns,
        "counted_with": list(finding.counted_with),
        "saves_ns": finding.saves_ns,
        "confidence": finding.confidence.value,
        "where": [{"file": site.file, "line": site.line} for site in finding.where],
        "evidence": [_evidence(timeline, span) for span in finding.evidence],
        "fix": finding.fix,
    }


def _evidence(timeline: Timeline, span: int) -> Document:
    spans = timeline.spans
    return {
        "source": timeline.sources[int(spans.source[span])].path,
        "row": int(spans.row[span]),
        "start_ns": int(spans.start_ns[span]),
        "end_ns": int(spans.end_ns[span]),
        "lane": timeline.lane_of(span).label,
    }
