from __future__ import annotations

import pytest

from ortprobe.errors import UsageError
from ortprobe.rules import RULES, Rule, find_rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_is_found_by_its_code_and_its_name_in_any_case(rule: Rule):
    spelled = [rule.code, rule.code.lower(), rule.name, rule.name.upper(), rule.name.replace("_", "-")]
    assert {find_rule(asked) for asked in [*spelled, f" {rule.name.replace('_', ' ').capitalize()} "]} == {rule}


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("mising_wait_before_run", "Y1 (missing_wait_before_run)"),
        ("idle", "I1 (idle_between_runs)"),
        ("S99", "S"),
        ("y0", "Y"),
    ],
)
def test_those_that_come_nearest_are_named(asked: str, nearest: str):
    with pytest.raises(UsageError, match="no rule has this code or name") as caught:
        find_rule(asked)
    assert f"nearest: {nearest}" in str(caught.value)


@pytest.mark.parametrize("asked", ["", "  ", "%%%", "\x1b[2J", "Q1", "Y٣"])
def test_what_is_like_no_rule_gets_no_guess(asked: str):
    with pytest.raises(UsageError) as caught:
        find_rule(asked)
    assert "nearest" not in str(caught.value)
    assert "ortprobe rules lists all" in str(caught.value)
