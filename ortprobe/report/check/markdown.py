"""A check as a comment on a pull request: one line, one table, and the rest folded away."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ortprobe.report.check.subject import Subject
from ortprobe.report.check.text import lacks_evidence
from ortprobe.report.check.wording import headline, limit_name, limit_text, rule_text, summary, where_text
from ortprobe.report.markdown import code_block, escaped, table
from ortprobe.report.wording import cost_text
from ortprobe.rules.gate.check import Check, RuleResult
from ortprobe.rules.gate.standing import Standing
from ortprobe.timeline import Site

_SIGNS = {Standing.PASSED: "✅", Standing.FAILED: "❌", Standing.CANT_TELL: "❓"}
_LONGEST = 60_000
"""Characters. GitHub refuses a comment of more than 65,536."""


def render_markdown(check: Check, subject: Subject) -> str:
    """The comment; names are escaped, so that they show as they are and mention, link or hide nothing."""
    parts = [
        f"### {_SIGNS[check.standing]} ortprobe: {escaped(headline(check))}",
        escaped(summary(check)),
        _failures(check, subject),
        *_details(check),
    ]
    return _short([part for part in parts if part])


def _short(parts: list[str]) -> str:
    """As many of the parts as a comment holds, from the first on."""
    kept, length = list[str](), 0
    for part in parts:
        length += len(part) + 2
        if length > _LONGEST:
            kept.append("*There is more than a comment holds: the text of the check has it all.*")
            break
        kept.append(part)
    return "\n\n".join(kept) + "\n"


def _failures(check: Check, subject: Subject) -> str:
    rows = [
        (each.standing.value, _name(each), rule_text(each), _lines(each, subject))
        for each in check.rules
        if each.standing.fails
    ]
    rows += [
        (each.standing.value, limit_name(each, check), limit_text(each), where_text(each))
        for each in check.limits
        if each.standing.fails
    ]
    return table(("", "what", "found", "where"), rows) if rows else ""


def _name(result: RuleResult) -> str:
    return f"{result.judged.rule.code} {result.judged.rule.name}"


def _lines(result: RuleResult, subject: Subject) -> str:
    sites = result.finding.where if result.finding is not None else ()
    return ", ".join(_line(site, subject) for site in sites)


def _line(site: Site, subject: Subject) -> str:
    return f"{subject.relative(site.file) or site.file}:{site.line}"


def _details(check: Check) -> Iterator[str]:
    for result in check.rules:
        if result.standing is Standing.FAILED and result.finding is not None:
            finding = result.finding
            cost = f" It cost {cost_text(finding)}." if cost_text(finding) else ""
            title = f"{finding.code} {result.judged.rule.name}: how it is known, and what to change"
            yield _folded(title, f"{escaped(finding.detail + cost)}\n\n{code_block(finding.fix)}")
    others = [each for each in check.rules if each.standing in (Standing.NOTED, Standing.IGNORED)]
    if others:
        found = [(each.standing.value, each.judged.rule.code, rule_text(each)) for each in others]
        yield _folded(f"Findings that fail nothing: {len(others)}", table(("", "rule", "found"), found))
    kept = [each for each in check.limits if not each.standing.fails]
    if kept:
        limits = [(each.standing.value, limit_name(each, check), limit_text(each)) for each in kept]
        yield _folded(f"Budgets and counts kept, or not compared: {len(kept)}", table(("", "what", ""), limits))
    blind = [each for each in check.rules if each.standing is Standing.SKIPPED and lacks_evidence(each)]
    if blind:
        reasons = [(_name(each), rule_text(each)) for each in blind]
        yield _folded(f"Rules that could not judge: {len(blind)}", table(("rule", "why"), reasons))


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>\n\n{body}\n\n</details>"
