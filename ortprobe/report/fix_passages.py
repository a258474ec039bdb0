"""A fix taken apart into prose and code, and a change of code into its lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from textwrap import dedent
from typing import Literal

_GUTTERS: Mapping[str, Literal["+", "-", " "]] = {"+ ": "+", "- ": "-", "  ": " "}


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of code that comes in (`+`), goes (`-`) or stays (a blank)."""

    sign: Literal["+", "-", " "]
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a fix: prose, or code to copy."""

    text: str
    """Of a change, the code as it is afterwards."""
    is_code: bool
    diff: tuple[DiffLine, ...] = ()
    """The lines of a change; empty for code that stands by itself."""


def passages(fix: str) -> tuple[Passage, ...]:
    """A fix in prose and code: what is indented is code, and loses its indentation and the signs of a change."""
    found: list[Passage] = []
    for is_code, lines in groupby(fix.strip("\n").splitlines(), key=lambda line: line.startswith("    ")):
        text = "\n".join(lines)
        if text.strip():
            found.append(_code(dedent(text)) if is_code else Passage(text, is_code=False))
    return tuple(found)


def _code(text: str) -> Passage:
    lines = tuple(
        DiffLine(sign, line[len(gutter) :])
        for line in text.splitlines()
        for gutter, sign in _GUTTERS.items()
        if line.startswith(gutter)
    )
    is_change = len(lines) == len(text.splitlines()) and any(line.sign != " " for line in lines)
    if not is_change:
        return Passage(text, is_code=True)
    return Passage("\n".join(line.text for line in lines if line.sign != "-"), is_code=True, diff=lines)
