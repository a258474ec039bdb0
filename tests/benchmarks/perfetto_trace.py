"""How long a Perfetto trace of a large capture takes to make, and how large it is.

    python tests/benchmarks/perfetto_trace.py [EVENTS]

The capture is the bundle of `analyses.py` with EVENTS events (1,000,000). Its analyses are made before the clock runs.
Prints the time, the size, and how long writing the JSON report of the same takes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from analyses import large_bundle

from ortprobe.report.report import Report, load
from ortprobe.report.rows.marks import NamePool
from ortprobe.report.rows.sheet import lay_out


def timed(report: Report, form: str) -> tuple[float, bytes]:
    begin = time.perf_counter()
    made = report.render(form)  # type: ignore[arg-type]
    return time.perf_counter() - begin, made


def main(events: int) -> None:
    """Print one line."""
    with TemporaryDirectory() as name:
        report = load(large_bundle(Path(name), events))
        json_s, _ = timed(report, "json")
        marks = len(lay_out(report.judgement, NamePool(list(report.timeline.names))).marks())
        trace_s, trace = timed(report, "perfetto")
        print(f"{events:,} events, {marks:,} marks: {trace_s:.1f} s, {len(trace) / 1e6:.1f} MB "
              f"({len(trace) / marks:.0f} bytes a mark); the JSON report {json_s:.1f} s")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
