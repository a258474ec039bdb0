"""What was not captured and what could not be judged, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.sayable import unsayable
from ortprobe.rules import Judgement, NotApplicable, RuleFailed
from ortprobe.timeline import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A hole in the capture, or a rule without an answer. The reasons are as the sources have them."""

    what: str
    """`lost-tail`, `S6 session_held`."""
    why: str


def missing(judgement: Judgement) -> Sequence[Missing]:
    """Holes in the capture, then rules that lacked their evidence, then rules that broke."""
    problems = [
        Missing(what=problem.kind.value, why=_detail(judgement.analyses, problem))
        for problem in judgement.analyses.integrity.problems
    ]
    unjudged = [
        Missing(what=f"{judged.rule.code} {judged.rule.name}", why=judged.outcome.why)
        for judged in judgement.judged
        if isinstance(judged.outcome, NotApplicable) and judged.outcome.evidence_missing
    ]
    broken = [
        Missing(what=f"{judged.rule.code} {judged.rule.name} broke", why=judged.outcome.error)
        for judged in judgement.judged
        if isinstance(judged.outcome, RuleFailed)
    ]
    return [*problems, *unjudged, *broken]


def _detail(analyses: Analyses, problem: Problem) -> str:
    forbidden = unsayable(analyses, problem)
    return problem.detail + (f" (not to be told: {forbidden})" if forbidden else "")
