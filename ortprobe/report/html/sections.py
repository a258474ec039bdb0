"""What the page says in words: header, findings, what was captured. Plain values for the template, no markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import dedent

from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.run_wording import (
    PHASE_LABELS,
    attached_text,
    reason_span,
    reason_text,
    signed_ns,
    telling_reasons,
)
from ortprobe.report.sayable import doubt, stated_believable, stated_overhead, stated_slowest, unsayable
from ortprobe.report.wording import NODE_BY_LABELS, WITHOUT_NODE_LABELS, missing_nodes, site_text
from ortprobe.rules.engine import Judgement
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Passed, RuleFailed, Severity
from ortprobe.timeline import DEVICE_WORK, NONE, ClockBound, ClockMethod, LaneKind, SourceKind, Timeline
from ortprobe.units import NOT_MEASURED, format_ns, format_ratio

_MAX_EVIDENCE = 8
_MAX_CAUSES = 3
_MAX_REASONS = 6
_SEVERITY_ICONS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.INFO: "●"}
_SOURCE_LABELS = {
    SourceKind.ORT_PROFILE: "onnxruntime's profile",
    SourceKind.TORCH_TRACE: "torch's trace",
    SourceKind.HOOK_LOG: "hook log",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value, as one reads them side by side."""

    term: str
    value: str


@dataclass(frozen=True, slots=True)
class EvidenceButton:
    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a fix: prose, or code to copy."""

    text: str
    is_code: bool


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding as the page shows it."""

    anchor: str
    code: str
    rule: str
    severity: Severity
    icon: str
    title: str
    detail: str
    cost: str
    count: int
    inferred: bool
    where: tuple[str, ...]
    evidence: tuple[EvidenceButton, ...]
    evidence_left: int
    fix: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class ProblemView:
    """One problem of the capture as the page shows it."""

    kind: str
    detail: str
    unsayable: str
    count: str
    path: str
    evidence: tuple[EvidenceButton, ...]
    evidence_left: int


@dataclass(frozen=True, slots=True)
class Undecided:
    """A rule that did not judge, and why."""

    code: str
    name: str
    why: str


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
    figures = [
        Fact("runs", f"{len(analyses.timeline.runs):,}"),
        Fact("first run", format_ns(runs.first_ns)),
        Fact("median run", format_ns(runs.median_ns)),
        Fact("median run, not traced", format_ns(runs.untraced_median_ns)),
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


def causes(judgement: Judgement) -> tuple[FindingView, ...]:
    """The findings to read first, three at the most: in their ranking, those that cost time or spoil results."""
    views = zip(judgement.findings, finding_views(judgement), strict=True)
    telling = [view for finding, view in views if finding.cost_ns or finding.severity is Severity.ERROR]
    return tuple(telling[:_MAX_CAUSES])


def finding_views(judgement: Judgement) -> tuple[FindingView, ...]:
    """All findings in their ranking."""
    names = {judged.rule.code: judged.rule.name for judged in judgement.judged}
    timeline = judgement.analyses.timeline
    return tuple(_view(finding, names.get(finding.code, ""), timeline) for finding in judgement.findings)


def undecided(judgement: Judgement) -> tuple[Undecided, ...]:
    """Rules that broke, or for which the capture lacks the evidence."""
    listed: list[Undecided] = []
    for judged in judgement.judged:
        rule, outcome = judged.rule, judged.outcome
        if isinstance(outcome, RuleFailed):
            listed.insert(0, Undecided(rule.code, rule.name, f"the rule itself broke: {outcome.error}"))
        elif isinstance(outcome, NotApplicable) and outcome.evidence_missing:
            listed.append(Undecided(rule.code, rule.name, outcome.why))
    return tuple(listed)


def pointless(judgement: Judgement) -> tuple[Undecided, ...]:
    """Rules about something that the program does not do."""
    return tuple(
        Undecided(judged.rule.code, judged.rule.name, judged.outcome.why)
        for judged in judgement.judged
        if isinstance(judged.outcome, NotApplicable) and not judged.outcome.evidence_missing
    )


def passed(judgement: Judgement) -> tuple[str, ...]:
    """Names of the rules that judged and found nothing."""
    return tuple(
        f"{judged.rule.code} {judged.rule.name}" for judged in judgement.judged if isinstance(judged.outcome, Passed)
    )


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
                f"{PHASE_LABELS[each.phase].capitalize()}, torch's profiler → everything",
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
                PHASE_LABELS[each.phase].capitalize(),
                f"{signed_ns(each.more_ns)} ({format_ns(each.slow_ns)} against {format_ns(each.median_ns)})",
            )
            for each in slowest.phases
            if each.phase is not None
        ),
        reasons=tuple(reason_text(reason, analyses.timeline) for reason in reasons),
        evidence=(
            EvidenceButton(f"r{slowest.slow}", f"Run {slowest.slow}, the slowest"),
            EvidenceButton(f"r{slowest.median}", f"Run {slowest.median}, the median one"),
            *_evidence(tuple(dict.fromkeys(map(reason_span, reasons))), analyses.timeline),
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
        is_reference = kind is SourceKind.TORCH_TRACE
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


def problem_views(judgement: Judgement) -> tuple[ProblemView, ...]:
    """All problems of the capture, those that undermine the verdict first."""
    analyses = judgement.analyses
    timeline = analyses.timeline
    return tuple(
        ProblemView(
            kind=each.kind.value,
            detail=each.detail,
            unsayable=unsayable(analyses, each),
            count=f"{each.count:,}",
            path="" if each.source is None else timeline.sources[each.source].path,
            evidence=_evidence(each.evidence, timeline),
            evidence_left=max(0, len(each.evidence) - _MAX_EVIDENCE),
        )
        for each in analyses.integrity.problems
    )


def _view(finding: Finding, rule: str, timeline: Timeline) -> FindingView:
    return FindingView(
        anchor=f"finding-{finding.code}",
        code=finding.code,
        rule=rule,
        severity=finding.severity,
        icon=_SEVERITY_ICONS[finding.severity],
        title=finding.title,
        detail=finding.detail,
        cost=format_ns(finding.cost_ns) if finding.cost_ns is not None else "",
        count=finding.count,
        inferred=finding.confidence is Confidence.LIKELY,
        where=tuple(site_text(site) for site in finding.where),
        evidence=_evidence(finding.evidence, timeline),
        evidence_left=max(0, len(finding.evidence) - _MAX_EVIDENCE),
        fix=passages(finding.fix),
    )


def passages(fix: str) -> tuple[Passage, ...]:
    """A fix in prose and code: what is indented is code, and loses its indentation."""
    found: list[Passage] = []
    for is_code, lines in groupby(fix.strip("\n").splitlines(), key=lambda line: line.startswith("    ")):
        text = "\n".join(lines)
        if text.strip():
            found.append(Passage(dedent(text) if is_code else text, is_code))
    return tuple(found)


def _evidence(spans: Sequence[int], timeline: Timeline) -> tuple[EvidenceButton, ...]:
    shown = [span for span in spans if span != NONE][:_MAX_EVIDENCE]
    starts: Mapping[int, int] = {span: int(timeline.spans.start_ns[span]) - timeline.start_ns for span in shown}
    return tuple(
        EvidenceButton(f"s{span}", f"{_called(span, timeline)} at {format_ns(starts[span])}") for span in shown
    )


def _called(span: int, timeline: Timeline) -> str:
    """Device work goes by its ONNX node, as in the timeline: a kernel's own name fills lines and says little."""
    node = int(timeline.links.node[span])
    if node == NONE or timeline.spans.kind[span] not in DEVICE_WORK:
        return timeline.name_of(span)
    return f"{timeline.names[timeline.nodes.name[node]]} (GPU)"


def _devices_by_lane(timeline: Timeline) -> str:
    streams = Counter(lane.device for lane in timeline.lanes if lane.kind is LaneKind.STREAM)
    return ", ".join(f"GPU {device} ({count} streams)" for device, count in sorted(streams.items())) or "no GPU trace"


def _signed_us(value_ns: int) -> str:
    return f"{value_ns / 1000:+.1f}".replace("-", "−")
