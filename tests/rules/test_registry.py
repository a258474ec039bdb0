from __future__ import annotations

import re
import sys

import pytest

from ortprobe.rules import RULES, Rule

HEADINGS = ["What it is", "Why it matters", "Evidence", "Cost", "Fix", "When it is wrong", "Source"]


def test_codes_and_names_are_unique():
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_each_rule_is_documented_under_the_same_headings(rule: Rule):
    headings = [line for line in rule.documentation.splitlines()[1:] if re.match(r"\S", line)]
    assert headings == HEADINGS
    assert rule.summary.endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_each_rule_lies_in_a_file_named_for_the_problem(rule: Rule):
    assert sys.modules[rule.check.__module__].__name__ == f"ortprobe.rules.{rule.name}"
