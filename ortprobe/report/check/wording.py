"""How the results of a check are put into words."""

from __future__ import annotations

from collections.abc import Iterable

from ortprobe.names import printable
from ortprobe.report.diff.diff_verdict import diff_verdict
from ortprobe.report.verdict import verdict
from ortprobe.rules.finding import NotApplicable, RuleFailed
from ortprobe.rules.gate.budget import LimitResult
from ortprobe.rules.gate.check import Check, RuleResult
from ortprobe.rules.gate.measured import Measured, Unit
from ortprobe.rules.gate.standing import Standing
from ortprobe.units import format_ns

_MOST_LINES = 5


def headline(check: Check) -> str:
    """`failed: 1 finding, 2 budgets`: how the check came out, and why."""
    failed = _listed(
        [
            (_count(check.rules, Standing.FAILED), "finding"),
            (_count(check.budgets, Standing.FAILED), "budget"),
            (_count(check.growth, Standing.FAILED), "figure worse than the baseline's"),
        ]
    )
    untold = _listed(
        [
            (_count(check.rules, Standing.CANT_TELL), "rule"),
            (_count(check.budgets, Standing.CANT_TELL), "budget"),
            (_count(check.growth, Standing.CANT_TELL), "figure against the baseline"),
        ]
    )
    cant_tell = f"can't tell: {untold}" if untold else ""
    blind = f"no verdict: {check.blind}" if check.blind else ""
    parts = [f"failed: {failed}" if failed else "", cant_tell, blind]
    return printable("; ".join(part for part in parts if part) or _passed(check))


def _passed(check: Check) -> str:
    kept = _listed([(_count(check.budgets, Standing.PASSED), "budget")])
    compared = _listed([(_count(check.growth, Standing.PASSED), "figure")])
    parts = ["passed", f"{kept} kept" if kept else "", f"{compared} no worse than the baseline's" if compared else ""]
    return ", ".join(part for part in parts if part)


def summary(check: Check) -> str:
    """The report's own sentence on the capture."""
    return verdict(check.judgement)


def rule_text(result: RuleResult) -> str:
    """What a rule said, in one line."""
    outcome = result.judged.outcome
    if result.finding is not None:
        return printable(result.finding.title)
    if isinstance(outcome, NotApplicable):
        return printable(outcome.why)
    return printable(f"the rule broke: {outcome.error}") if isinstance(outcome, RuleFailed) else "nothing of the kind"


def limit_name(result: LimitResult, check: Check) -> str:
    """What a limit is called, apart from that of the same figure elsewhere."""
    key = result.limit.metric.key
    return f"{key} against the baseline" if check.is_growth(result) else key


def limit_text(result: LimitResult) -> str:
    """`2.86 a run, limit 1 a run`: what was measured, what may be, and why it can't be told."""
    limit, measured = result.limit, result.measured
    if result.comparison is not None:
        return diff_verdict(result.comparison)
    if result.standing is Standing.SKIPPED:
        return printable(measured.why)
    text = f"{measured_text(limit.metric.unit, measured)}, limit {figure_text(limit.metric.unit, limit.most)}"
    if result.standing is Standing.CANT_TELL:
        text += f": can't tell, because {measured.why}"
    return printable(text)


def where_text(result: LimitResult) -> str:
    """The lines and names that make the figure what it is; empty where none are known or it was kept to."""
    sites = [str(site) for site in result.measured.where]
    shown = [*sites[:_MOST_LINES], *result.measured.names[:_MOST_LINES]]
    return printable(", ".join(shown)) if result.standing.fails else ""


def measured_text(unit: Unit, measured: Measured) -> str:
    """The figure, or what is known of it."""
    low, high = (None if value is None else figure_text(unit, value) for value in (measured.low, measured.high))
    if measured.exact is not None:
        return f"{high}"
    if high is None:
        return f"at least {low}" if measured.low else "not known"
    return f"{low} to {high}" if measured.low else f"at most {high}"


def figure_text(unit: Unit, value: float) -> str:
    """A figure with its unit."""
    if unit is Unit.TIME:
        return format_ns(value)
    if unit is Unit.SHARE:
        return f"{100 * value:.1f} %"
    number = f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{number} a run" if unit is Unit.PER_RUN else number


def _count(results: Iterable[RuleResult | LimitResult], standing: Standing) -> int:
    return sum(result.standing is standing for result in results)


def _listed(counts: Iterable[tuple[int, str]]) -> str:
    """`1 finding, 2 budgets`."""
    return ", ".join(f"{count} {_plural(noun, count)}" for count, noun in counts if count)


def _plural(noun: str, count: int) -> str:
    head, space, rest = noun.partition(" ")
    return noun if count == 1 else f"{head}s{space}{rest}"
