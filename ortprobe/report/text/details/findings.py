"""What the rules found, each with its cost, its line and its fix."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from ortprobe.names import printable
from ortprobe.report.text.fix import fix_text
from ortprobe.report.text.styles import SEVERITY_STYLES
from ortprobe.report.wording import cost_text
from ortprobe.rules import Finding, Judgement
from ortprobe.units import format_ns


def findings_section(judgement: Judgement) -> RenderableType | None:
    """None without a finding."""
    if not judgement.findings:
        return None
    return Group(*(_finding(finding) for finding in judgement.findings))


def _finding(finding: Finding) -> RenderableType:
    head = Text.assemble(
        (f"{finding.code} {finding.severity.value}", SEVERITY_STYLES[finding.severity]),
        "  ",
        (printable(finding.title), "bold"),
    )
    cost = f"cost {cost_text(finding) or format_ns(None)} ({finding.confidence.value})"
    where = ", ".join(str(site) for site in finding.where)
    lines = [f"{cost}; at {where}" if where else cost, finding.detail]
    told = Text("\n".join(printable(line) for line in lines))
    return Group(head, Padding(Group(told, fix_text(finding.fix)), (0, 0, 0, 4)))
