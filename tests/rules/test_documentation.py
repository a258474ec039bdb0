"""Docstrings of rules are taken apart into their sections, and thresholds are told with the rules that use them."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.rules import RULES, Rule, find_rule, thresholds
from ortprobe.rules.documentation import HEADINGS, parse_documentation
from ortprobe.timeline.columns import attribute_docs

PARAGRAPHS = st.lists(st.lists(st.text("abc.`:*", min_size=1), min_size=1), min_size=1, max_size=3)


def docstring(sections: dict[str, str], summary: str = "It is so.") -> str:
    return "\n".join([summary, "", *(f"{heading}\n    {text}\n" for heading, text in sections.items())])


WHOLE = {heading: f"Text of {heading}." for heading in HEADINGS}


@given(st.fixed_dictionaries(dict.fromkeys(HEADINGS, PARAGRAPHS)))
def test_each_section_comes_back_with_its_paragraphs_on_one_line_each(sections: dict[str, list[list[str]]]):
    wrapped = {
        heading: "\n\n    ".join("\n    ".join(words) for words in paragraphs)
        for heading, paragraphs in ((heading, sections[heading]) for heading in HEADINGS)
    }
    parsed = parse_documentation(docstring(wrapped))
    for heading, field in HEADINGS.items():
        assert getattr(parsed, field) == "\n\n".join(" ".join(words) for words in sections[heading])


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_section_that_is_missing_or_empty_is_refused(heading: str):
    without = {name: text for name, text in WHOLE.items() if name != heading}
    with pytest.raises(ValueError, match="headings are"):
        parse_documentation(docstring(without))
    with pytest.raises(ValueError, match=f"no text for {heading}"):
        parse_documentation(docstring(WHOLE | {heading: ""}))


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "It is so.",
        docstring(WHOLE | {"Remarks": "No."}),
        docstring(dict(reversed(WHOLE.items()))),
        docstring(WHOLE) + docstring({"Source": "Twice."}, ""),
    ],
    ids=["nothing", "summary alone", "unknown", "out of order", "twice"],
)
def test_other_headings_are_refused(broken: str):
    with pytest.raises(ValueError, match="headings are"):
        parse_documentation(broken)


def constants() -> list[str]:
    return [name for name in vars(thresholds) if name.isupper()]


def test_each_threshold_says_why_it_is_what_it_is():
    assert set(constants()) <= set(attribute_docs(thresholds))
    assert all(isinstance(getattr(thresholds, name), int | float) for name in constants())


def test_each_threshold_that_names_rules_names_ones_that_there_are():
    told = {rule.code: rule.thresholds for rule in RULES}
    texts = {name: text for name, text in attribute_docs(thresholds).items() if re.match(r"[A-Z]\d", text)}
    for name, text in texts.items():
        codes = text.partition(":")[0].split(", ")
        assert [code for code in codes if name in {each.name for each in told[code]}] == codes


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_threshold_that_a_rule_uses_names_the_rule(rule: Rule):
    used = set(constants()) & set(vars(sys.modules[rule.check.__module__]))
    assert used <= {threshold.name for threshold in rule.thresholds}


def test_a_threshold_comes_with_its_value_and_its_measurement():
    (ratio, excess) = find_rule("F1").thresholds
    assert (ratio.name, ratio.value) == ("FIRST_RUN_RATIO", thresholds.FIRST_RUN_RATIO)
    assert ratio.reason.startswith("first run over steady run. Measured on an H100")
    assert excess.name == "FIRST_RUN_EXCESS_NS"
    assert find_rule("S5").thresholds == ()
