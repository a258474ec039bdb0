"""`findings.json`: what a capture says, for machines. `null` is what nobody measured; 0 was measured."""

from __future__ import annotations

import msgspec

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.idle.idle_lines import IdleLine
from ortprobe.analysis.idle.starvation import StreamStarvation
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.sayable import doubt, stated_overhead
from ortprobe.report.verdict import verdict
from ortprobe.report.wording import site_text
from ortprobe.rules import Finding, Judgement
from ortprobe.timeline import LinkedBy, LinkKind, Problem, Timeline, own_stream

SCHEMA_VERSION = 1
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
    return {
        "traced_median_ns": overhead.traced_median_ns,
        "torch_only_median_ns": overhead.torch_only_median_ns,
        "untraced_median_ns": overhead.untraced_median_ns,
        "ratio": overhead.ratio,
        "hook_cost_ns": overhead.hook_cost_ns,
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
        "latency_ns": _latency(analyses),
        "kernels": _kernels(analyses),
        "models": _models(analyses),
        "devices": [_device(analyses, device) for device in analyses.idle.devices],
    }


def _latency(analyses: Analyses) -> Document:
    runs = analyses.runs
    times = {
        "first": runs.first_ns,
        "median": runs.median_ns,
        "p99": runs.p99_ns,
        "untraced_median": runs.untraced_median_ns,
    }
    return dict.fromkeys(times) if doubt(analyses, Claim.LATENCY) else dict(times)


def _device(analyses: Analyses, device: DeviceIdle) -> Document:
    if doubt(analyses, Claim.IDLE):
        unknown = ("busy_ns", "idle_ns", "idle_by_cause", "idle_by_line", "streams")
        return {"window_ns": device.window_ns, **dict.fromkeys(unknown)}
    (lines,) = (each for each in analyses.idle_lines.devices if each.device == device.device)
    return {
        "window_ns": device.window_ns,
        "busy_ns": device.busy_ns,
        "idle_ns": device.idle_ns,
        "idle_by_cause": {cause.value: time_ns for cause, time_ns in device.idle_by_cause.items()},
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
