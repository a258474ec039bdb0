"""Findings and budgets as SARIF results, at the lines of the program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from ortprobe.report.check.sarif.messages import Object, message
from ortprobe.report.check.sarif.rules import LEVELS
from ortprobe.report.check.subject import Subject
from ortprobe.report.check.wording import limit_name, limit_text, rule_text
from ortprobe.report.wording import cost_text
from ortprobe.rules import Finding
from ortprobe.rules.gate.budget import LimitResult
from ortprobe.rules.gate.check import Check, RuleResult
from ortprobe.rules.gate.standing import Standing
from ortprobe.timeline import Site

ROOT = "SRCROOT"
FINGERPRINT = "ortprobeFinding/v1"


def results(check: Check, subject: Subject, positions: dict[str, int]) -> Iterator[Object]:
    """One for each finding, ignored or not, and one for what was not kept to or can't be told."""
    for rule in check.rules:
        if rule.finding is not None:
            yield _of_finding(rule, rule.finding, check, subject, positions)
        elif rule.standing is Standing.CANT_TELL:
            yield _of_silence(rule, check, subject, positions)
    for limit in check.limits:
        if limit.standing.fails:
            yield _of_limit(limit, check, subject, positions)


def budget_id(result: LimitResult, check: Check) -> str:
    """The id of a limit as a rule: `budget/median`, `baseline/re_inits`."""
    return f"{'baseline' if check.is_growth(result) else 'budget'}/{result.limit.metric.key}"


def _of_finding(
    result: RuleResult, finding: Finding, check: Check, subject: Subject, positions: dict[str, int]
) -> Object:
    cost = cost_text(finding)
    told = f"{finding.title.rstrip('.')}. {finding.detail}" + (f" Cost: {cost}." if cost else "")
    found: Object = {
        "ruleId": finding.code,
        "ruleIndex": positions[finding.code],
        "level": LEVELS[finding.severity],
        "message": message(told),
        **_places(finding.where, subject),
        "partialFingerprints": {FINGERPRINT: _fingerprint(finding.code, finding.where, check, subject)},
        "properties": {
            "standing": result.standing.value,
            "confidence": finding.confidence.value,
            "count": finding.count,
            "cost_ns": finding.cost_ns,
        },
    }
    if result.standing is Standing.IGNORED:
        found["suppressions"] = [{"kind": "external", "justification": "ignored by the check"}]
    return found


def _of_silence(result: RuleResult, check: Check, subject: Subject, positions: dict[str, int]) -> Object:
    """A rule that was asked for by name and could not judge is `open`, see `_of_limit`."""
    code = result.judged.rule.code
    return {
        "ruleId": code,
        "ruleIndex": positions[code],
        "kind": "open",
        "level": "none",
        "message": message(rule_text(result)),
        **_places((), subject),
        "partialFingerprints": {FINGERPRINT: _fingerprint(code, (), check, subject)},
        "properties": {"standing": result.standing.value},
    }


def _of_limit(result: LimitResult, check: Check, subject: Subject, positions: dict[str, int]) -> Object:
    """A limit that can't be told is `open`: there is not enough to say whether there is a problem (3.27.9)."""
    code, measured = budget_id(result, check), result.measured
    failed = result.standing is Standing.FAILED
    return {
        "ruleId": code,
        "ruleIndex": positions[code],
        "kind": "fail" if failed else "open",
        "level": "error" if failed else "none",
        "message": message(f"{limit_name(result, check)}: {limit_text(result)}."),
        **_places(measured.where, subject),
        "partialFingerprints": {FINGERPRINT: _fingerprint(code, (), check, subject)},
        "properties": {
            "standing": result.standing.value,
            "most": result.limit.most,
            "low": measured.low,
            "high": measured.high,
            "unit": result.limit.metric.unit.value,
        },
    }


def _places(where: Sequence[Site], subject: Subject) -> Object:
    """The first line as the place, others as related; the capture itself where no line is known."""
    if not where:
        return {"locations": [{"physicalLocation": {"artifactLocation": _artifact(subject.source, subject)}}]}
    places = [_line(site, subject) for site in dict.fromkeys(where)]
    found: Object = {"locations": places[:1]}
    if len(places) > 1:
        found["relatedLocations"] = [
            {"id": number, **place, "message": {"text": "another line of the same finding"}}
            for number, place in enumerate(places[1:], start=1)
        ]
    return found


def _line(site: Site, subject: Subject) -> Object:
    physical: Object = {"artifactLocation": _artifact(site.file, subject)}
    if site.line > 0:
        physical["region"] = {"startLine": site.line}
    return {"physicalLocation": physical}


def _artifact(file: str, subject: Subject) -> Object:
    uri, inside = subject.uri(file)
    return {"uri": uri, "uriBaseId": ROOT} if inside else {"uri": uri}


def _fingerprint(code: str, where: Sequence[Site], check: Check, subject: Subject) -> str:
    """The same for the same problem in another capture, on another machine, and where lines above it came or went."""
    files = sorted({subject.relative(site.file) or site.file for site in where})
    target = check.judgement.analyses.timeline.capture.target
    return sha256("\0".join([code, target, *files]).encode("utf-8", "replace")).hexdigest()[:32]
