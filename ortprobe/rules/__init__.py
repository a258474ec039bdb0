"""Judgement: one file a rule, named for the problem; the ordered tuple `RULES` is the registry."""

from ortprobe.rules.engine import Judged, Judgement, judge
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, RuleFailed, Severity
from ortprobe.rules.registry import RULES
from ortprobe.rules.rule import Rule

__all__ = [
    "RULES",
    "Confidence",
    "Finding",
    "Judged",
    "Judgement",
    "NotApplicable",
    "Outcome",
    "Passed",
    "Rule",
    "RuleFailed",
    "Severity",
    "judge",
]
