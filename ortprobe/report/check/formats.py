"""The formats of a check, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ortprobe.report.check.json import render_json
from ortprobe.report.check.junit import render_junit
from ortprobe.report.check.markdown import render_markdown
from ortprobe.report.check.sarif import render_sarif
from ortprobe.report.check.subject import Subject
from ortprobe.report.check.text import render_text
from ortprobe.rules.gate.check import Check

FORMATS: Mapping[str, Callable[[Check, Subject], str]] = {
    "text": render_text,
    "json": render_json,
    "markdown": render_markdown,
    "junit": render_junit,
    "sarif": render_sarif,
}


def render(check: Check, subject: Subject, form: str) -> bytes:
    """A check in one of `FORMATS`, UTF-8."""
    return FORMATS[form](check, subject).encode("utf-8", "replace")
