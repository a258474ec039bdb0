"""Every rule finds its fault, leaves a program alone that nearly has it, and says so where a capture can't tell."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from matrix import EXPECTED, outcome_of

from ortprobe.rules import RULES, Finding, Rule


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_says_of_its_case_what_is_so(rule: Rule, name: str, tmp_path: Path) -> None:
    outcome = outcome_of(rule, name, tmp_path)
    assert EXPECTED[name](outcome), outcome
    if isinstance(outcome, Finding):
        assert outcome.code == rule.code
        assert outcome.evidence


def test_each_module_of_cases_is_of_a_rule() -> None:
    modules = {path.stem for path in Path(cases.__file__).parent.glob("*.py")} - {"__init__"}
    assert modules == {rule.name for rule in RULES}
