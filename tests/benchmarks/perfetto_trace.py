"""How long a Perfetto trace of a large capture takes to make and to read back, and how large it is.

    python tests/benchmarks/perfetto_trace.py [EVENTS]

The capture is the bundle of `analyses.py` with EVENTS events (1,000,000). Its analyses are made before the clock runs.
Prints the time, the size and how much of it is the Timeline for reading it back, how long that takes and how long
reading the bundle takes, and how long writing the JSON report of the same takes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from analyses import large_bundle

from ortprobe.ingest import load_bundle
from ortprobe.report.perfetto.carried import carried
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
        bundle, export = large_bundle(Path(name), events), Path(name) / "large.pftrace"
        report = load(bundle)
        json_s, _ = timed(report, "json")
        marks = len(lay_out(report.judgement, NamePool(list(report.timeline.names))).marks())
        trace_s, trace = timed(report, "perfetto")
        own_bytes = len(carried(report.timeline))
        export.write_bytes(trace)
        bundle_s, export_s = read_s(bundle), read_s(export)
        print(f"{events:,} events, {marks:,} marks: {trace_s:.1f} s, {len(trace) / 1e6:.1f} MB, of which "
              f"{own_bytes / 1e6:.1f} are the Timeline ({len(trace) / marks:.0f} bytes a mark); read back in "
              f"{export_s:.2f} s, the bundle in {bundle_s:.2f} s; the JSON report {json_s:.1f} s")  # fmt: skip


def read_s(path: Path) -> float:
    begin = time.perf_counter()
    load_bundle(path)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
