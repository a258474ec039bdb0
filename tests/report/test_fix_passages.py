"""What to change, as prose, code and changes of code."""

from __future__ import annotations

import pytest

from ortprobe.report.fix_passages import passages
from ortprobe.rules import RULES


def test_a_fix_is_prose_and_code() -> None:
    fix = "Do this:\n    a = [\n        1,\n    ]\nand keep it."
    assert [(each.is_code, each.text) for each in passages(fix)] == [
        (False, "Do this:"),
        (True, "a = [\n    1,\n]"),
        (False, "and keep it."),
    ]


def test_a_change_is_copied_as_the_code_that_it_leads_to() -> None:
    (prose, change) = passages("Do this:\n    + wait()\n      run(\n    -     a,\n    +     b,\n      )")
    assert (prose.is_code, prose.diff) == (False, ())
    assert change.text == "wait()\nrun(\n    b,\n)"
    assert [(line.sign, line.text) for line in change.diff] == [
        ("+", "wait()"), (" ", "run("), ("-", "    a,"), ("+", "    b,"), (" ", ")"),
    ]  # fmt: skip


@pytest.mark.parametrize("code", ["a = 1\n- b", "x = (\n  - b\n)", "  a\n  b"])
def test_code_that_only_looks_like_a_change_is_code(code: str) -> None:
    (passage,) = passages("\n".join(f"    {line}" for line in code.splitlines()))
    assert (passage.is_code, passage.diff) == (True, ())


FIXES = {rule.code: rule.fix for rule in RULES}


@pytest.mark.parametrize("code", FIXES)
def test_what_is_copied_from_a_fix_is_python(code: str) -> None:
    for passage in passages(FIXES[code]):
        assert not passage.text.startswith("\\")
        if passage.is_code:
            compile(passage.text, code, "exec")


@pytest.mark.parametrize("code", ["Y1", "Y3", "Y4", "Y5", "B1", "S1"])
def test_fixes_that_add_to_what_is_there_say_so_by_signs(code: str) -> None:
    assert {line.sign for passage in passages(FIXES[code]) for line in passage.diff} >= {"+"}
    assert all(passage.diff for passage in passages(FIXES[code]) if passage.is_code)
