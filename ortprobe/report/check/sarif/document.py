"""The SARIF document: the tool with its rules, one run, its results, and what could not be told."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from ortprobe import __version__
from ortprobe.report.check.sarif.messages import Object, message
from ortprobe.report.check.sarif.results import ROOT, budget_id, results
from ortprobe.report.check.sarif.rules import budget_descriptor, rule_descriptor
from ortprobe.report.check.subject import Subject
from ortprobe.report.check.text import lacks_evidence
from ortprobe.report.check.wording import rule_text
from ortprobe.rules.gate.check import Check
from ortprobe.rules.gate.standing import Standing

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render_sarif(check: Check, subject: Subject) -> str:
    """The document, indented, with a final newline."""
    descriptors = _descriptors(check)
    positions = {str(descriptor["id"]): number for number, descriptor in enumerate(descriptors)}
    run = {
        "tool": {
            "driver": {
                "name": "ortprobe",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": descriptors,
            }
        },
        "automationDetails": {"id": f"ortprobe/{quote(check.judgement.analyses.timeline.capture.target, safe='')}/"},
        "originalUriBaseIds": {ROOT: {"uri": subject.root_uri}},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": not check.blind, "toolExecutionNotifications": list(_notifications(check))}
        ],
        "results": list(results(check, subject, positions)),
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _descriptors(check: Check) -> list[Object]:
    rules = [rule_descriptor(result.judged.rule) for result in check.rules]
    budgets = [
        budget_descriptor(result.limit.metric, budget_id(result, check))
        for result in check.limits
        if result.standing.fails
    ]
    return rules + budgets


def _notifications(check: Check) -> Iterator[Object]:
    """Why there is no verdict, and which rules could not judge."""
    if check.blind:
        yield {"level": "error", "message": message(f"no verdict: {check.blind}")}
    for number, result in enumerate(check.rules):
        unsaid = result.standing in (Standing.SKIPPED, Standing.CANT_TELL)
        if unsaid and lacks_evidence(result):
            code = result.judged.rule.code
            yield {
                "level": "error" if result.standing is Standing.CANT_TELL else "note",
                "associatedRule": {"id": code, "index": number},
                "message": message(f"{code} {result.judged.rule.name}: {rule_text(result)}"),
            }
