"""What the page says of findings and of problems of the capture. Plain values for the template, no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ortprobe.report.fix_passages import Passage, passages
from ortprobe.report.sayable import unsayable
from ortprobe.report.wording import cost_text, site_text
from ortprobe.rules.documentation import HEADINGS, Documentation
from ortprobe.rules.engine import Judgement
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Passed, RuleFailed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import DEVICE_WORK, NONE, Timeline
from ortprobe.units import format_ns

_MAX_EVIDENCE = 8
_MAX_CAUSES = 3
_MEANING = ("What it is", "Why it matters", "Evidence", "When it is wrong")
"""Sections of the documentation that a finding's own words don't say."""
_SEVERITY_ICONS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.INFO: "●"}


@dataclass(frozen=True, slots=True)
class EvidenceButton:
    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a rule's documentation."""

    heading: str
    paragraphs: tuple[str, ...]


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
    """In short."""
    cost_in_full: str
    count: int
    inferred: bool
    where: tuple[str, ...]
    evidence: tuple[EvidenceButton, ...]
    evidence_left: int
    fix: tuple[Passage, ...]
    meaning: tuple[Section, ...]
    """What is true of every such finding, whatever the program."""


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


def causes(judgement: Judgement) -> tuple[FindingView, ...]:
    """The findings to read first, three at the most: in their ranking, those that cost time or spoil results."""
    views = zip(judgement.findings, finding_views(judgement), strict=True)
    telling = [view for finding, view in views if finding.cost_ns or finding.severity is Severity.ERROR]
    return tuple(telling[:_MAX_CAUSES])


def finding_views(judgement: Judgement) -> tuple[FindingView, ...]:
    """All findings in their ranking."""
    rules = {judged.rule.code: judged.rule for judged in judgement.judged}
    timeline = judgement.analyses.timeline
    return tuple(_view(finding, rules[finding.code], timeline) for finding in judgement.findings)


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
            evidence=evidence_buttons(each.evidence, timeline),
            evidence_left=max(0, len(each.evidence) - _MAX_EVIDENCE),
        )
        for each in analyses.integrity.problems
    )


def _view(finding: Finding, rule: Rule, timeline: Timeline) -> FindingView:
    return FindingView(
        anchor=f"finding-{finding.code}",
        code=finding.code,
        rule=rule.name,
        severity=finding.severity,
        icon=_SEVERITY_ICONS[finding.severity],
        title=finding.title,
        detail=finding.detail,
        cost="" if finding.cost_ns is None else format_ns(finding.cost_ns),
        cost_in_full=cost_text(finding),
        count=finding.count,
        inferred=finding.confidence is Confidence.LIKELY,
        where=tuple(site_text(site) for site in finding.where),
        evidence=evidence_buttons(finding.evidence, timeline),
        evidence_left=max(0, len(finding.evidence) - _MAX_EVIDENCE),
        fix=passages(finding.fix),
        meaning=_meaning(rule.documentation),
    )


def _meaning(documentation: Documentation) -> tuple[Section, ...]:
    texts = {heading: str(getattr(documentation, HEADINGS[heading])) for heading in _MEANING}
    return tuple(Section(heading, tuple(text.split("\n\n"))) for heading, text in texts.items())


def evidence_buttons(spans: Sequence[int], timeline: Timeline) -> tuple[EvidenceButton, ...]:
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
