"""The documentation of a rule: what the docstring of its module says, and the thresholds that it decides by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import cleandoc
from types import MappingProxyType

from ortprobe.rules import thresholds
from ortprobe.timeline.columns import attribute_docs

_OF_RULES = re.compile(r"(?P<codes>[A-Z]\d+(, [A-Z]\d+)*): (?P<reason>.+)")

HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "What it is": "what_it_is",
        "Why it matters": "why_it_matters",
        "Evidence": "evidence",
        "Cost": "cost",
        "Fix": "fix",
        "When it is wrong": "when_it_is_wrong",
        "Source": "source",
    }
)
"""Headings in the order in which a docstring has them → fields of `Documentation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documentation:
    """What a rule means. Sections are prose: paragraphs of one line each, with an empty line between two."""

    summary: str
    """The problem in one sentence."""
    what_it_is: str
    why_it_matters: str
    evidence: str
    """What of a capture it is read from."""
    cost: str
    """What the cost of a finding counts."""
    fix: str
    """The change in words; `Rule.fix` has the code."""
    when_it_is_wrong: str
    """Programs in which a finding is no fault."""
    source: str
    """Where the facts are from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A number that a rule decides by."""

    name: str
    """Its name in `ortprobe/rules/thresholds.py`, with the unit."""
    value: float
    reason: str
    """What is compared with it, and the measurement or the reason that set it."""


def thresholds_of(code: str) -> tuple[Threshold, ...]:
    """The thresholds whose docstrings name this rule in front: `F1: …`, `Y6, Y7: …`.

    Raises OSError where the source of the module is not there.
    """
    told = {name: _OF_RULES.fullmatch(text) for name, text in attribute_docs(thresholds).items()}
    return tuple(
        Threshold(name=name, value=getattr(thresholds, name), reason=match["reason"])
        for name, match in told.items()
        if match is not None and code in match["codes"].split(", ")
    )


def parse_documentation(docstring: str) -> Documentation:
    """A summary line, and then each of `HEADINGS` on a line of its own with its text indented below it.

    Raises ValueError when the summary, a heading or the text of one is missing, or a heading is unknown, given twice or
    out of order.
    """
    summary, _, rest = cleandoc(docstring).partition("\n")
    sections = dict[str, list[str]]()
    found = list[str]()
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            found.append(line)
            sections[line] = []
        elif found:
            sections[found[-1]].append(line)
    if found != list(HEADINGS):
        raise ValueError(f"the headings are {', '.join(found) or 'missing'}; they have to be {', '.join(HEADINGS)}")
    texts = {HEADINGS[heading]: _unwrapped("\n".join(lines)) for heading, lines in sections.items()}
    empty = [heading for heading, field in HEADINGS.items() if not texts[field]]
    if empty or not summary:
        raise ValueError(f"there is no text for {', '.join(empty) or 'the summary'}")
    return Documentation(summary=summary, **texts)


def _unwrapped(text: str) -> str:
    """Each paragraph on one line, so that whoever shows it can wrap it at a width of its own."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
