"""A check for machines. `null` is what nobody knows; times are in ns, shares are parts of 1."""

from __future__ import annotations

import msgspec

from ortprobe.report.check.subject import Subject
from ortprobe.report.check.wording import headline, limit_text, rule_text, summary
from ortprobe.rules.gate.budget import LimitResult
from ortprobe.rules.gate.check import Check, RuleResult

SCHEMA_VERSION = 1

Document = dict[str, object]


def render_json(check: Check, subject: Subject) -> str:
    """The document, indented, with a final newline.

    `{"schema_version": 1, "source", "standing", "headline", "verdict", "no_verdict": null or why, "rules": [{"code",
    "name", "standing", "severity", "text", "cost_ns", "where": [{"file", "line"}]}], "budgets": [{"key", "unit",
    "standing", "most", "low", "high", "why", "text", "source", "where", "names"}], "baseline": [the same]}`. A standing
    is `passed`, `failed`, `can't tell`, `noted`, `ignored` or `skipped`; the true figure of a budget lies from `low` to
    `high`.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "source": subject.source,
        "standing": check.standing.value,
        "headline": headline(check),
        "verdict": summary(check),
        "no_verdict": check.blind or None,
        "rules": [_rule(result) for result in check.rules],
        "budgets": [_limit(result) for result in check.budgets],
        "baseline": [_limit(result) for result in check.growth],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _rule(result: RuleResult) -> Document:
    rule, finding = result.judged.rule, result.finding
    return {
        "code": rule.code,
        "name": rule.name,
        "standing": result.standing.value,
        "severity": finding.severity.value if finding is not None else None,
        "text": rule_text(result),
        "cost_ns": finding.cost_ns if finding is not None else None,
        "where": [{"file": site.file, "line": site.line} for site in finding.where] if finding is not None else [],
    }


def _limit(result: LimitResult) -> Document:
    limit, measured = result.limit, result.measured
    return {
        "key": limit.metric.key,
        "unit": limit.metric.unit.value,
        "standing": result.standing.value,
        "most": limit.most,
        "low": measured.low,
        "high": measured.high,
        "why": measured.why or None,
        "text": limit_text(result),
        "source": limit.source,
        "where": [{"file": site.file, "line": site.line} for site in measured.where],
        "names": list(measured.names),
    }
