"""What the page says in words: header, figures, what tracing cost, what was captured. Plain values, no markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.html.findings import EvidenceButton, evidence_buttons
from ortprobe.report.run_wording import (
    PHASE_LABELS,
    attached_text,
    reason_span,
    reason_text,
    signed_ns,
    telling_reasons,
)
from ortprobe.report.sayable import doubt, stated_believable, stated_overhead, stated_slowest
from ortprobe.report.wording import NODE_BY_LABELS, WITHOUT_NODE_LABELS, headed, missing_nodes
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import DEVICE_TRACES, NONE, ClockBound, ClockMethod, SourceKind, Timeline
from ortprobe.units import NOT_MEASURED, format_ns, format_ratio

_MAX_REASONS = 6
_SOURCE_LABELS = {
    SourceKind.ORT_PROFILE: "onnxruntime's profile",
    SourceKind.TORCH_TRACE: "torch's trace",
    SourceKind.NSIGHT: "Nsight Systems' export",
    SourceKind.HOOK_LOG: "hook log",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value, as one reads them side by side."""

    term: str
    value: str


def header_facts(timeline: Timeline) -> tuple[Fact, ...]:
    """Where this comes from: target, machine, versions. What the sources don't state is left out."""
    capture = timeline.capture
    facts = [
        Fact("Target", " ".join((capture.target, *capture.argv)).strip() or "not stated by the sources"),
        Fact("Devices", ", ".join(capture.devices) or _devices_by_lane(timeline)),
        *(Fact(name, version) for name, version in capture.versions.items()),
    ]
    if capture.processes > 1:
        facts.append(Fact("Processes on one timeline", str(capture.processes)))
    if capture.children:
        of_each = (f"{child.process} ({child.runs:,} runs, in {child.bundle})" for child in capture.children)
        facts.append(Fact("Child processes, each a bundle of its own", ", ".join(of_each)))
    if capture.counted_runs:
        facts.append(Fact("Runs that were only counted", f"{capture.counted_runs:,}"))
    if capture.exception or capture.exit_code:
        facts.append(Fact("Ended with", capture.exception or f"exit code {capture.exit_code}"))
    return tuple(facts)


def key_figures(judgement: Judgement) -> tuple[Fact, ...]:
    """The handful of numbers that one wants to see first."""
    analyses = judgement.analyses
    runs, nodes = analyses.runs, analyses.nodes
    times = {
        "first run": runs.first_ns,
        "median run": runs.median_ns,
        "median run, not traced": runs.untraced_median_ns,
    }
    untold = doubt(analyses, Claim.LATENCY)
    figures = [
        Fact("runs", f"{len(analyses.timeline.runs):,}"),
        *(Fact(name, NOT_MEASURED if untold else format_ns(time_ns)) for name, time_ns in times.items()),
        Fact("sessions created", f"{analyses.sessions.created}"),
        Fact("of them re-inits", f"{analyses.sessions.re_inits}"),
    ]
    unknown = doubt(analyses, Claim.IDLE)
    for device in analyses.idle.devices:
        busy = NOT_MEASURED if unknown else format_ratio(device.busy_ns, device.window_ns)
        figures.append(Fact(f"GPU {device.device} busy", busy))
    if nodes.kernels_of_ort:
        figures.append(Fact("ORT kernels with their node", f"{nodes.kernels_with_node:,} of {nodes.kernels_of_ort:,}"))
    return tuple(figures)


def tracing_cost(judgement: Judgement) -> tuple[Fact, ...]:
    """What tracing did to the program; what was not measured says so."""
    cost = stated_overhead(judgement.analyses)
    ratio = NOT_MEASURED if cost.ratio is None else f"{cost.ratio:.2f} ×"
    least = "at least " if cost.launch.hidden and cost.launch.cuda_call_ns is not None else ""
    return (
        Fact("Median run, hooks alone", format_ns(cost.untraced_median_ns)),
        Fact("Median run, torch's profiler", format_ns(cost.torch_only_median_ns)),
        Fact("Median run, everything attached", format_ns(cost.traced_median_ns)),
        Fact("Traced over untraced", ratio),
        Fact("Median period, hooks alone", format_ns(cost.untraced_period_ns)),
        Fact("Median period, torch's profiler", format_ns(cost.torch_only_period_ns)),
        Fact("Median period, everything attached", format_ns(cost.traced_period_ns)),
        *(
            Fact(
                f"{headed(PHASE_LABELS[each.phase])}, torch's profiler → everything",
                f"{format_ns(each.torch_only_ns)} → {format_ns(each.traced_ns)}",
            )
            for each in cost.phases
        ),
        Fact("Torch's profiler, a CUDA call", f"{least}{format_ns(cost.launch.cuda_call_ns)}"),
        Fact("ORT's profile, a node", format_ns(cost.launch.node_ns)),
        Fact("Shorter gaps between launches are the tracer's", format_ns(cost.launch.launch_ns)),
        *_tracers_idle(judgement),
        Fact("Hooks, a run call", format_ns(cost.hook_cost_ns)),
    )


def _tracers_idle(judgement: Judgement) -> Iterator[Fact]:
    """How much of the idle time may be tracing's own."""
    for each in stated_believable(judgement.analyses).devices:
        low_ns = sum(bounds.low_ns for bounds in each.by_cause.values())
        high_ns = sum(bounds.high_ns for bounds in each.by_cause.values())
        idle = f"{format_ns(low_ns)} to {format_ns(high_ns)}"
        yield Fact(f"GPU {each.device} idle, had nothing been traced", idle)


@dataclass(frozen=True, slots=True)
class SlowestView:
    """The slowest run against the median run like it."""

    summary: str
    phases: tuple[Fact, ...]
    reasons: tuple[str, ...]
    evidence: tuple[EvidenceButton, ...]


def slowest_run(judgement: Judgement) -> SlowestView | None:
    """None where nothing is known of two such runs beside their latency."""
    analyses = judgement.analyses
    slowest = stated_slowest(analyses)
    if slowest is None:
        return None
    reasons = telling_reasons(slowest, _MAX_REASONS)
    slow, median = format_ns(slowest.slow_ns), format_ns(slowest.median_ns)
    return SlowestView(
        summary=f"Run {slowest.slow} took {slow}, the median run {slowest.median} {median}: the slowest and the middle "
        f"one of {slowest.runs} steady runs of session {slowest.session} with {attached_text(slowest.attached)}.",
        phases=tuple(
            Fact(
                headed(PHASE_LABELS[each.phase]),
                f"{signed_ns(each.more_ns)} ({format_ns(each.slow_ns)} against {format_ns(each.median_ns)})",
            )
            for each in slowest.phases
            if each.phase is not None
        ),
        reasons=tuple(reason_text(reason, analyses.timeline) for reason in reasons),
        evidence=(
            EvidenceButton(f"r{slowest.slow}", f"Run {slowest.slow}, the slowest"),
            EvidenceButton(f"r{slowest.median}", f"Run {slowest.median}, the median one"),
            *evidence_buttons(tuple(dict.fromkeys(map(reason_span, reasons))), analyses.timeline),
        ),
    )


def tracing_sentence(judgement: Judgement) -> str:
    """One line for the header."""
    cost = stated_overhead(judgement.analyses)
    if unknown := doubt(judgement.analyses, Claim.LATENCY):
        return f"What tracing cost: {unknown}."
    if cost.ratio is None:
        return "What tracing cost was not measured: no line of the program made runs both with and without it."
    return (
        f"Tracing made the median run {cost.ratio:.2f} times as long "
        f"({format_ns(cost.traced_median_ns)} against {format_ns(cost.untraced_median_ns)})."
    )


def quality_sentence(judgement: Judgement) -> str:
    """One line for the header: whether the capture is whole."""
    integrity = judgement.analyses.integrity
    problems = f"{len(integrity.problems)} remark" + ("s" if len(integrity.problems) != 1 else "")
    if integrity.ok:
        return (
            "The capture is whole."
            if not integrity.problems
            else f"The capture is good enough to judge, with {problems}."
        )
    return f"The capture has holes that limit the verdict: {problems} below."


def source_rows(timeline: Timeline) -> tuple[tuple[str, str, str, str], ...]:
    """Kind, path, spans and clock of each source."""
    clocks = {clock.source: clock for clock in timeline.clocks}
    return tuple(
        (_SOURCE_LABELS[source.kind], source.path, f"{source.spans:,}", clock_sentence(clocks.get(index), source.kind))
        for index, source in enumerate(timeline.sources)
    )


def clock_sentence(clock: ClockBound | None, kind: SourceKind) -> str:
    """How far a source's clock can be off, in words."""
    if clock is None:
        is_reference = kind in DEVICE_TRACES
        return (
            "states Unix time; the profiles are checked against it" if is_reference else "no statement about its clock"
        )
    how = {
        ClockMethod.EPOCH: "states Unix time",
        ClockMethod.NESTING: "fitted: launches must lie inside their nodes",
        ClockMethod.UNCHECKED: "states its time, and nothing here could check it",
    }[clock.method]
    if clock.low_ns is None or clock.high_ns is None:
        return how
    agrees = (
        "agrees with the other sources" if clock.low_ns <= 0 <= clock.high_ns else "disagrees with the other sources"
    )
    return (
        f"{how}; {agrees}: off by between {_signed_us(clock.low_ns)} and {_signed_us(clock.high_ns)} µs, "
        f"checked {clock.witnesses:,} times"
    )


def attribution(judgement: Judgement) -> tuple[Fact, ...]:
    """What found its counterpart, and what did not."""
    analyses = judgement.analyses
    nodes, integrity = analyses.nodes, analyses.integrity
    if not analyses.idle.devices:
        return (Fact("Kernels and waits", f"{NOT_MEASURED}: no GPU trace"),)
    without_node = doubt(analyses, Claim.NODE_TIME) or format_ns(nodes.unattributed_kernel_ns)
    kernels, missing = analyses.attribution.kernels, missing_nodes(analyses.attribution)
    return (
        Fact("Kernels", f"{nodes.kernels_total:,}"),
        Fact("… launched by onnxruntime", f"{nodes.kernels_of_ort:,}"),
        Fact("… with their ONNX node", f"{nodes.kernels_with_node:,}"),
        *(Fact(f"… {NODE_BY_LABELS[by]}", f"{amount.count:,}") for by, amount in kernels.node_by.items()),
        *(Fact(f"Without a node: {WITHOUT_NODE_LABELS[reason]}", f"{count:,}") for reason, count in missing),
        Fact("GPU time of ORT's kernels without a node", without_node),
        Fact("Waits whose other side is known", f"{integrity.sync_resolved:,} of {integrity.sync_calls:,}"),
    )


def _devices_by_lane(timeline: Timeline) -> str:
    streams = Counter(lane.device for lane in timeline.lanes if lane.device != NONE)
    return ", ".join(f"GPU {device} ({count} streams)" for device, count in sorted(streams.items())) or "no GPU trace"


def _signed_us(value_ns: int) -> str:
    return f"{value_ns / 1000:+.1f}".replace("-", "−")
