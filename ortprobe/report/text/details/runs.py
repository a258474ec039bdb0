"""What runs take, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.names import printable
from ortprobe.report.run_wording import (
    attached_text,
    launch_cost_text,
    phase_differences_text,
    phases_text,
    ratio_text,
    reason_text,
    signed_ns,
    spread_text,
    telling_reasons,
)
from ortprobe.report.sayable import doubt, stated_overhead, stated_phases, stated_slowest
from ortprobe.units import format_ns

_MOST_PHASES = 3
_MOST_REASONS = 3


def runs_section(analyses: Analyses) -> RenderableType | None:
    """None without a run."""
    runs = analyses.runs
    count = len(runs.latency_ns)
    if not count:
        return None
    failed = int(runs.failed.sum())
    lines = [
        ("1 run" if count == 1 else f"{count:,} runs") + (f", {failed:,} of them raised" if failed else ""),
        *_latency(analyses),
        *_slowest(analyses),
        *_tracing(analyses),
    ]
    return Text("\n".join(printable(line) for line in lines))


def _latency(analyses: Analyses) -> Iterator[str]:
    runs = analyses.runs
    if unknown := doubt(analyses, Claim.LATENCY):
        yield f"how long they took: {unknown}"
        return
    yield f"first {format_ns(runs.first_ns)}, {spread_text(runs.latency)}"
    if runs.period.count:
        yield f"pace: a run begins every {format_ns(runs.period.median_ns)} (median)"


def _slowest(analyses: Analyses) -> Iterator[str]:
    slowest = stated_slowest(analyses)
    if slowest is None:
        return
    median = f"median run {slowest.median}: {format_ns(slowest.median_ns)} ({attached_text(slowest.attached)})"
    phases = phases_text(stated_phases(analyses).of(slowest.median))
    yield f"{median}" + (f": {phases}" if phases else "")
    difference = f"{signed_ns(slowest.difference_ns)}: {phase_differences_text(slowest, _MOST_PHASES)}"
    yield f"slowest run {slowest.slow}: {format_ns(slowest.slow_ns)}, {difference}"
    reasons = [reason_text(reason, analyses.timeline) for reason in telling_reasons(slowest, _MOST_REASONS)]
    if reasons:
        yield f"  in it: {'; '.join(reasons)}"
    if slowest.shapes:
        yield f"  inputs of other shapes in {len(slowest.shapes)} nodes"


def _tracing(analyses: Analyses) -> Iterator[str]:
    overhead = stated_overhead(analyses)
    medians = (
        ("untraced", overhead.untraced_median_ns),
        ("with torch's profiler", overhead.torch_only_median_ns),
        ("traced", overhead.traced_median_ns),
    )
    stated = ", ".join(f"{name} {format_ns(time_ns)}" for name, time_ns in medians)
    yield f"median {stated}; tracing {ratio_text(overhead.ratio)}"
    costs = ", ".join(launch_cost_text(overhead.launch))
    if costs:
        yield f"tracing adds {costs}" if not costs.startswith("gaps") else costs
