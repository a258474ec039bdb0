"""What SARIF says of each rule, so that a code host can explain a finding beside the line."""

from __future__ import annotations

from ortprobe.report.check.sarif.messages import Object
from ortprobe.report.markdown import code_block, escaped
from ortprobe.rules import Rule, Severity
from ortprobe.rules.documentation import HEADINGS
from ortprobe.rules.gate.measured import Metric

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def rule_descriptor(rule: Rule) -> Object:
    """A rule with its documentation as help, in plain text and in Markdown."""
    told = rule.documentation
    sections = [(heading, getattr(told, field)) for heading, field in HEADINGS.items()]
    plain = "\n\n".join(f"{heading}\n{text}" for heading, text in sections)
    marked = "\n\n".join(f"**{heading}**\n\n{text}" for heading, text in sections)
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("_")),
        "shortDescription": {"text": told.summary},
        "fullDescription": {"text": told.what_it_is},
        "help": {"text": f"{plain}\n\n{rule.fix}", "markdown": f"{marked}\n\n{code_block(rule.fix)}"},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"tags": [rule.family]},
    }


def budget_descriptor(metric: Metric, rule_id: str) -> Object:
    """A limit on a figure as a rule."""
    text = f"A limit on: {metric.meaning}."
    return {
        "id": rule_id,
        "name": "".join(word.capitalize() for word in metric.key.split("_")) + "Budget",
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": text, "markdown": escaped(text)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["budget"]},
    }
