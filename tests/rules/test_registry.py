from __future__ import annotations

import sys

import pytest

from ortprobe.rules import FAMILIES, RULES, Rule

EACH_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def test_codes_and_names_are_unique():
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


def test_rules_stand_in_the_order_of_their_families_and_numbers():
    places = [(list(FAMILIES).index(rule.code[0]), int(rule.code[1:])) for rule in RULES]
    assert places == sorted(places)


@EACH_RULE
def test_each_rule_is_documented_under_the_same_headings(rule: Rule):
    assert rule.documentation.summary.endswith(".")


@EACH_RULE
def test_each_rule_says_what_to_change_in_words_and_in_code(rule: Rule):
    """What is wrong with a capture, and not with the program, may be mended outside of any code."""
    prose, *rest = rule.fix.splitlines()
    assert prose.strip() == prose != ""
    has_code = any(line.startswith("    ") and line.strip() for line in rest)
    assert has_code or (rule.family == "trust" and not prose.endswith(":"))


@EACH_RULE
def test_each_rule_lies_in_a_file_named_for_the_problem(rule: Rule):
    assert sys.modules[rule.check.__module__].__name__ == f"ortprobe.rules.{rule.name}"
