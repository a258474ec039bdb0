"""What runs take, for a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.sayable import stated_overhead
from ortprobe.units import NOT_MEASURED, format_ns


def runs_section(analyses: Analyses) -> RenderableType | None:
    """None without a run."""
    runs, overhead = analyses.runs, stated_overhead(analyses)
    if not len(runs.latency_ns):
        return None
    failed = int(runs.failed.sum())
    first, median, p99 = (format_ns(time_ns) for time_ns in (runs.first_ns, runs.median_ns, runs.p99_ns))
    untraced, traced = format_ns(overhead.untraced_median_ns), format_ns(overhead.traced_median_ns)
    ratio = f"× {overhead.ratio:.2f}" if overhead.ratio is not None else NOT_MEASURED
    lines = [
        f"{len(runs.latency_ns)} runs" + (f", {failed} of them raised" if failed else ""),
        f"first {first}, median {median}, 99th percentile {p99}",
        f"median untraced {untraced}, traced {traced}; tracing {ratio}",
    ]
    return Text("\n".join(lines))
