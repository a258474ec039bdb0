"""Docstrings of rules are taken apart into their sections, and those that lack one are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.rules.documentation import HEADINGS, parse_documentation

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
