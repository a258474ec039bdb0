"""What was captured elsewhere, and what was not captured or not judged, for a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.names import printable
from ortprobe.report.sayable import unsayable
from ortprobe.report.text.layout import table_of
from ortprobe.rules import Judgement, NotApplicable, RuleFailed
from ortprobe.timeline import Problem


def children_section(analyses: Analyses) -> RenderableType | None:
    """None without a child process."""
    children = analyses.timeline.capture.children
    if not children:
        return None
    table = table_of("process", "sessions", "runs", "bundle", right_from=0)
    table.columns[-1].justify = "left"
    for child in children:
        table.add_row(str(child.process), str(child.sessions), f"{child.runs:,}", Text(printable(child.bundle)))
    return table


def missing_section(judgement: Judgement) -> RenderableType | None:
    """None when nothing is missing."""
    problems = [_problem(judgement.analyses, problem) for problem in judgement.analyses.integrity.problems]
    unjudged = [
        f"{judged.rule.code} {judged.rule.name}: {judged.outcome.why}"
        for judged in judgement.judged
        if isinstance(judged.outcome, NotApplicable) and judged.outcome.evidence_missing
    ]
    broken = [
        f"{judged.rule.code} {judged.rule.name} broke: {judged.outcome.error}"
        for judged in judgement.judged
        if isinstance(judged.outcome, RuleFailed)
    ]
    lines = problems + unjudged + broken
    return Text("\n".join(printable(line) for line in lines)) if lines else None


def _problem(analyses: Analyses, problem: Problem) -> str:
    forbidden = unsayable(analyses, problem)
    return f"{problem.kind.value}: {problem.detail}" + (f" (not to be told: {forbidden})" if forbidden else "")
