"""The verdict, and the findings in a line each."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from rich.text import Text

from ortprobe.report.text.screen.grid import INDENT, Column, table
from ortprobe.report.text.shorten import ELLIPSIS, cut
from ortprobe.report.text.styles import SEVERITY_STYLES
from ortprobe.report.verdict import verdict
from ortprobe.report.wording import site_text
from ortprobe.rules import Finding, Judgement
from ortprobe.units import format_ns

TOP_FINDINGS = 5
_VERDICT_LINES = 3


def verdict_lines(judgement: Judgement, width: int) -> list[Text]:
    """The verdict on as few lines as hold it."""
    lines = wrap(verdict(judgement), width, max_lines=_VERDICT_LINES, placeholder=f" {ELLIPSIS}")
    return [Text(line, style="bold") for line in lines]


def findings_section(judgement: Judgement, width: int) -> list[Text]:
    """The gravest first, then the dearest, as everywhere; empty without a finding."""
    findings = judgement.findings[:TOP_FINDINGS]
    if not findings:
        return []
    more = len(judgement.findings) - len(findings)
    columns = (
        Column(heading=f"Findings, {len(findings)} of {more + len(findings)}" if more else "Findings"),
        Column(heading="", least=24, shortened=cut),
        Column(heading="cost", figures=True),
        Column(heading="a run", figures=True),
        Column(heading="at", least=22),
    )
    head, *lines = table(columns, map(_row, findings), width)
    for line, finding in zip(lines, findings, strict=True):
        line.stylize(SEVERITY_STYLES[finding.severity], len(INDENT), len(INDENT) + len(_name(finding)))
    return [head, *lines]


def _name(finding: Finding) -> str:
    return f"{finding.code} {finding.severity.value}"


def _row(finding: Finding) -> Sequence[str]:
    cost = format_ns(finding.cost_ns) if finding.cost_ns is not None else "–"
    per_run = format_ns(finding.cost_per_run_ns) if finding.cost_per_run_ns is not None else "–"
    site = site_text(finding.where[0] if finding.where else None)
    others = f" +{len(finding.where) - 1}" if len(finding.where) > 1 else ""
    return _name(finding), finding.title, cost, per_run, site + others
