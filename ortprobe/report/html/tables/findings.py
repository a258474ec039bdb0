"""The page's table of findings."""

from __future__ import annotations

from ortprobe.report.html.tables.model import Column, Table, note_of
from ortprobe.report.wording import site_text
from ortprobe.rules.engine import Judgement
from ortprobe.rules.finding import Finding
from ortprobe.timeline import NONE


def findings_table(judgement: Judgement) -> Table:
    """One row a finding in their ranking; its key is the first evidence."""
    findings = judgement.findings
    rules = {judged.rule.code: judged.rule.name for judged in judgement.judged}
    columns = (
        Column("Code", "text", [each.code for each in findings]),
        Column("Rule", "text", [rules.get(each.code, "") for each in findings]),
        Column("Severity", "text", [each.severity.value for each in findings]),
        Column("What", "text", [each.title.replace("`", "") for each in findings]),
        Column("Count", "int", [each.count for each in findings]),
        Column("Cost", "ns", [each.cost_ns for each in findings]),
        Column("Cost a run", "ns", [each.cost_per_run_ns for each in findings]),
        Column("Not counted above", "ns", [each.own_cost_ns for each in findings]),
        Column("Line", "text", [site_text(each.where[0]) if each.where else "" for each in findings]),
    )
    note = note_of(len(findings), len(findings), "findings", "the gravest")
    return Table("findings", "All findings", note, columns, [_key(each) for each in findings])


def _key(finding: Finding) -> str:
    return next((f"s{span}" for span in finding.evidence if span != NONE), "")
