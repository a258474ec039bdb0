"""Judgement: one file a rule, named for the problem; the ordered tuple `RULES` is the registry."""

from ortprobe.rules.documentation import HEADINGS, Documentation, Threshold
from ortprobe.rules.engine import Judged, Judgement, judge
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, RuleFailed, Severity
from ortprobe.rules.lookup import find_rule
from ortprobe.rules.registry import RULES
from ortprobe.rules.rule import FAMILIES, Rule

__all__ = [
    "FAMILIES",
    "HEADINGS",
    "RULES",
    "Confidence",
    "Documentation",
    "Finding",
    "Judged",
    "Judgement",
    "NotApplicable",
    "Outcome",
    "Passed",
    "Rule",
    "RuleFailed",
    "Severity",
    "Threshold",
    "find_rule",
    "judge",
]
