"""Each rule against its three cases: what it should say of them, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules import Finding, NotApplicable, Outcome, Passed, Rule
from ortprobe.timeline import Timeline

Case = Callable[[Path], Timeline]


def is_found(outcome: Outcome) -> bool:
    return isinstance(outcome, Finding)


def is_clear(outcome: Outcome) -> bool:
    return outcome == Passed() or (isinstance(outcome, NotApplicable) and not outcome.evidence_missing)


def is_open(outcome: Outcome) -> bool:
    return isinstance(outcome, NotApplicable) and outcome.evidence_missing


EXPECTED: Mapping[str, Callable[[Outcome], bool]] = {"fault": is_found, "near_miss": is_clear, "cant_tell": is_open}
"""Case → whether an outcome is what a rule should say of it."""


def case(rule: Rule, name: str) -> Case:
    """The function `name` of `cases/<rule>.py`; an ImportError or AttributeError where there is none."""
    found: Case = getattr(import_module(f"cases.{rule.name}"), name)
    return found


def outcome_of(rule: Rule, name: str, folder: Path) -> Outcome:
    """What the rule says of one of its cases."""
    return rule.check(Analyses(case(rule, name)(folder)))
