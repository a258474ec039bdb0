"""A check for a terminal or the log of a build: what fails first, then the rest, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator

from ortprobe.names import printable
from ortprobe.report.check.subject import Subject
from ortprobe.report.check.wording import headline, limit_name, limit_text, rule_text, summary, where_text
from ortprobe.report.wording import cost_text
from ortprobe.rules.finding import NotApplicable
from ortprobe.rules.gate.check import Check, RuleResult
from ortprobe.rules.gate.standing import Standing

_SHOWN = (Standing.FAILED, Standing.CANT_TELL, Standing.NOTED, Standing.IGNORED)
_WIDTH = max(len(standing.value) for standing in _SHOWN)


def render_text(check: Check, subject: Subject) -> str:
    """Plain text without colour."""
    lines = [f"{subject.source}: {headline(check)}", summary(check), ""]
    for standing in _SHOWN:
        lines += _standing(check, standing)
    return "\n".join(printable(line) for line in [*lines, *_rest(check)]).rstrip("\n") + "\n"


def failure_lines(check: Check) -> list[str]:
    """What does not pass: each finding with its lines and its fix, each limit with what was measured and where."""
    return [line for standing in _SHOWN if standing.fails for line in _standing(check, standing)]


def _standing(check: Check, standing: Standing) -> Iterator[str]:
    for result in check.rules:
        if result.standing is standing:
            yield from _rule(result)
    for limit in check.limits:
        if limit.standing is standing:
            yield f"{standing.value:{_WIDTH}}  {limit_name(limit, check)}: {limit_text(limit)}"
            yield from _indented(f"set by {limit.limit.source}")
            if where := where_text(limit):
                yield from _indented(f"at {where}")


def _rule(result: RuleResult) -> Iterator[str]:
    rule, finding = result.judged.rule, result.finding
    severity = f" ({finding.severity.value})" if finding is not None else ""
    yield f"{result.standing.value:{_WIDTH}}  {rule.code} {rule.name}{severity}: {rule_text(result)}"
    if finding is None:
        return
    if cost := cost_text(finding):
        yield from _indented(f"cost {cost}")
    if finding.where:
        yield from _indented(f"at {', '.join(str(site) for site in finding.where)}")
    if result.standing is Standing.FAILED:
        yield from _indented(*finding.fix.splitlines())


def _indented(*lines: str) -> list[str]:
    return [f"{'':{_WIDTH}}    {line}".rstrip() for line in lines]


def _rest(check: Check) -> Iterator[str]:
    """What passed, and what could not be judged, each with its reason."""
    yield ""
    rules = [result.judged.rule.code for result in check.rules if result.standing is Standing.PASSED]
    limits = [limit for limit in check.limits if limit.standing is Standing.PASSED]
    if rules:
        yield f"{'passed':{_WIDTH}}  {', '.join(rules)}"
    for limit in limits:
        yield f"{'passed':{_WIDTH}}  {limit_name(limit, check)}: {limit_text(limit)}"
    for result in check.rules:
        if result.standing is Standing.SKIPPED and lacks_evidence(result):
            yield f"{'skipped':{_WIDTH}}  {result.judged.rule.code} {result.judged.rule.name}: {rule_text(result)}"
    for limit in check.limits:
        if limit.standing is Standing.SKIPPED:
            yield f"{'skipped':{_WIDTH}}  {limit_name(limit, check)}: {limit_text(limit)}"


def lacks_evidence(result: RuleResult) -> bool:
    """Whether a rule said nothing although the program may have the problem."""
    outcome = result.judged.outcome
    return not isinstance(outcome, NotApplicable) or outcome.evidence_missing
