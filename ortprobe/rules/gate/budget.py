"""Budgets: the most that figures of a capture may be, and whether they are kept to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.comparison import Comparison
from ortprobe.errors import UsageError
from ortprobe.nearest import nearest
from ortprobe.rules.gate.measured import Measured, Metric, Unit, unknown
from ortprobe.rules.gate.metrics import METRICS
from ortprobe.rules.gate.standing import Standing

_SCALES: Mapping[Unit, Mapping[str, float]] = {
    Unit.TIME: {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9},
    Unit.SHARE: {"%": 0.01, "percent": 0.01},
    Unit.COUNT: {},
    Unit.PER_RUN: {},
}
_EXAMPLES = {Unit.TIME: '"2.5 ms"', Unit.SHARE: '"30 %"', Unit.COUNT: "0", Unit.PER_RUN: "1"}
_QUANTITY = re.compile(r"\s*(?P<number>\d+(\.\d+)?)\s*(?P<unit>\S*)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that one figure may be."""

    metric: Metric
    most: float
    """In the metric's unit."""
    source: str
    """What set it: a file, an option, or a baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitResult:
    """Whether a limit was kept to: PASSED, FAILED or CANT_TELL."""

    limit: Limit
    measured: Measured
    standing: Standing
    comparison: Comparison | None = field(default=None, repr=False)
    """Of a limit on how times changed, what it is told from."""


def parse_budget(document: Mapping[str, object], source: str) -> tuple[Limit, ...]:
    """Limits from a table of keys and values, in its order.

    A key is that of a metric (`ortprobe.rules.gate.metrics`). A time is a string with its unit, `"2.5 ms"`, or a number
    whose key ends in one, `median_ms`; a share likewise, `"30 %"` or `idle_share_percent`; a count is a number.

    Raises:
        UsageError: a key that is none, or a value that is no such quantity; the line names `source` and the key.
    """
    limits = [_limit(key, value, source) for key, value in document.items()]
    seen: set[str] = set()
    for limit in limits:
        if limit.metric.key in seen:
            raise UsageError(f"{source}: {limit.metric.key} is limited twice")
        seen.add(limit.metric.key)
    return tuple(limits)


def judge_limit(limit: Limit, analyses: Analyses) -> LimitResult:
    """Measure what is limited. A figure whose bounds lie on both sides of the limit can't be told."""
    try:
        measured = limit.metric.measure(analyses)
    except Exception as error:  # one figure's bug must not cost the user the other figures
        measured = unknown(f"measuring it failed: {type(error).__name__}: {error}")
    return LimitResult(limit=limit, measured=measured, standing=_standing(limit, measured))


def _standing(limit: Limit, measured: Measured) -> Standing:
    if measured.low > limit.most:
        return Standing.FAILED
    kept = measured.high is not None and measured.high <= limit.most
    return Standing.PASSED if kept else Standing.CANT_TELL


def _limit(key: str, value: object, source: str) -> Limit:
    metric, unit = _metric(key, source)
    scales = _SCALES[metric.unit]
    number = value
    if isinstance(value, str) and scales and not unit:
        match = _QUANTITY.fullmatch(value)
        number, unit = (float(match["number"]), match["unit"]) if match else (None, "")
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < float("inf"):
        raise UsageError(f"{source}: {key} = {value!r}: write it as in {metric.key} = {_EXAMPLES[metric.unit]}")
    if scales and unit not in scales:
        raise UsageError(f"{source}: {key} = {value!r}: say the unit, as in {metric.key} = {_EXAMPLES[metric.unit]}")
    return Limit(metric=metric, most=float(number) * scales.get(unit, 1.0), source=source)


def _metric(key: str, source: str) -> tuple[Metric, str]:
    """The metric that a key names, and the unit behind its name, if there is one."""
    keys = {}
    for metric in METRICS:
        keys[metric.key] = metric, ""
        keys |= {f"{metric.key}_{unit}": (metric, unit) for unit in _SCALES[metric.unit] if unit.isidentifier()}
    if key not in keys:
        raise UsageError(f"{source}: there is no budget {key}{nearest(key, [metric.key for metric in METRICS])}")
    return keys[key]
