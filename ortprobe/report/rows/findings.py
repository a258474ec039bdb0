"""A lane of what was found: the spans that show it, each with what it means."""

from __future__ import annotations

import numpy as np

from ortprobe.report.rows.marks import Category, MarkBlock, MarkSheet, NamePool, PageLane
from ortprobe.report.wording import cost_text
from ortprobe.rules.engine import Judgement
from ortprobe.rules.finding import Finding
from ortprobe.timeline import NONE


def add_findings(sheet: MarkSheet, judgement: Judgement, names: NamePool) -> dict[int, str]:
    """Open the lane, the last one; returns what is told of each finding, by the name of its mark.

    Each finding is shown once, at the first span of its evidence.
    """
    spans = judgement.analyses.timeline.spans
    shown = [
        (finding, span)
        for finding in judgement.findings
        if (span := next((each for each in finding.evidence if each != NONE), NONE)) != NONE
    ]
    if not shown:
        return {}
    at = np.array([span for _, span in shown], np.int64)
    order = np.lexsort((-spans.end_ns[at], spans.start_ns[at]))
    found = [shown[row][0] for row in order.tolist()]
    block = MarkBlock(
        start_ns=spans.start_ns[at[order]],
        end_ns=spans.end_ns[at[order]],
        name=np.array([names.index(f"{each.code} {each.title}") for each in found], np.int32),
        category=np.full(len(found), Category.OTHER, np.int32),
        ref=np.full(len(found), NONE, np.int32),  # the span itself is a mark of another lane
    )
    sheet.layer(sheet.lane(PageLane("findings", "Findings", "at their first evidence")), "finding", block)
    return {name: _told(each) for name, each in zip(block.name.tolist(), found, strict=True)}


def _told(finding: Finding) -> str:
    cost = cost_text(finding)
    where = ", ".join(str(site) for site in finding.where)
    parts = [finding.severity.value, f"cost {cost}" if cost else "", f"at {where}" if where else "", finding.detail]
    return "; ".join(part for part in parts if part)
