"""What runs take: figures, latency over time, and where the median run goes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.runs.run_phases import DividedBy
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.run_wording import PHASE_LABELS, ratio_text, spread_parts
from ortprobe.report.sayable import doubt, stated_overhead, stated_phases
from ortprobe.report.text.bars import FILLS, REST, cells_of
from ortprobe.report.text.screen.grid import INDENT, facts, notes
from ortprobe.report.text.sparkline import Scale, greatest_by_column, scale_of, sparkline
from ortprobe.timeline import NONE
from ortprobe.units import format_ns, format_ratio

_TITLE = "Runs"
_SMALLEST_SHARE = 0.005
"""Smaller parts are summed up with the others."""


def runs_section(analyses: Analyses, width: int) -> list[Text]:
    """Says so where there was no run."""
    if not len(analyses.runs.latency_ns):
        return facts(_TITLE, ["none was captured"], width)
    if unknown := doubt(analyses, Claim.LATENCY):
        return facts(_TITLE, [_count(analyses), f"how long they took: {unknown}"], width)
    figures = facts(_TITLE, [_count(analyses), *_figures(analyses)], width)
    return [*figures, *_latency_over_time(analyses, width), *_median_run(analyses, width)]


def _count(analyses: Analyses) -> str:
    count, failed = len(analyses.runs.latency_ns), int(analyses.runs.failed.sum())
    return f"{count:,}" + (f" ({failed:,} of them raised)" if failed else "")


def _figures(analyses: Analyses) -> Iterator[str]:
    runs, tracing = analyses.runs, stated_overhead(analyses).ratio
    yield f"first {format_ns(runs.first_ns)}"
    yield from spread_parts(runs.latency)
    if runs.period.count:
        yield f"one begins every {format_ns(runs.period.median_ns)}"
    if tracing is not None:
        yield f"tracing {ratio_text(tracing)}"


def _latency_over_time(analyses: Analyses, width: int) -> Iterator[Text]:
    """A column for each run in order, or for as many runs as there are too many of, with the slowest of them."""
    latency_ns = analyses.runs.latency_ns
    columns = greatest_by_column(latency_ns.astype(np.float64), width - len(INDENT))
    scale = scale_of(columns)
    if scale is not None:
        yield Text(INDENT + sparkline(columns, scale))
        yield from notes(
            [f"latency in order, {_column_text(len(latency_ns), len(columns))}", _scale_text(scale)], width
        )


def _column_text(runs: int, columns: int) -> str:
    if runs == columns:
        return "each column a run"
    return f"each column the slowest of {'up to ' if runs % columns else ''}{-(-runs // columns):,} runs"


def _scale_text(scale: Scale) -> str:
    low = format_ns(scale.low) if scale.low else "0"
    return f"▁ {low} to █ {format_ns(scale.high)}{', logarithmic' if scale.logarithmic else ''}"


def _median_run(analyses: Analyses, width: int) -> Iterator[Text]:
    """The phases of one run as a bar, in their order, those that took longest each with a fill of its own."""
    run = _median_row(analyses)
    phases = {} if run == NONE else stated_phases(analyses).of(run)
    whole_ns = sum(phases.values())
    if not whole_ns:
        return
    dearest = sorted(phases, key=lambda phase: -phases[phase])[: len(FILLS)]
    fills = {
        phase: fill for phase, fill in zip(dearest, FILLS, strict=False) if phases[phase] >= _SMALLEST_SHARE * whole_ns
    }
    named = [(fills[phase], PHASE_LABELS[phase], phases[phase]) for phase in phases if phase in fills]
    rest_ns = whole_ns - sum(time_ns for _, _, time_ns in named)
    parts = [*named, (REST, "other", rest_ns)] if rest_ns else named
    kind = "traced run" if analyses.runs.attached[run] else "run"
    head = f"median {kind} {run}, {format_ns(whole_ns)}: "
    cells = cells_of([time_ns for _, _, time_ns in parts], width - len(INDENT) - len(head))
    drawn = "".join(fill * count for (fill, _, _), count in zip(parts, cells, strict=True))
    yield Text(INDENT + head + drawn)
    legend = (f"{fill} {label} {format_ns(ns)} {format_ratio(ns, whole_ns)}" for fill, label, ns in parts)
    yield from notes(legend, width, "  ")


def _median_row(analyses: Analyses) -> int:
    """The median run of those that the slowest is compared with; of too few, of all steady ones that are divided; NONE
    without one."""
    explained = next((each for each in analyses.comparisons if each.explained), None)
    if explained is not None:
        return explained.median
    runs = analyses.runs
    rows = np.flatnonzero(runs.steady & (stated_phases(analyses).divided_by != DividedBy.NOTHING))
    ordered = rows[np.argsort(runs.latency_ns[rows], kind="stable")]
    return int(ordered[(len(ordered) - 1) // 2]) if len(ordered) else NONE
