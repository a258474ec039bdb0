"""Loading large torch traces: time, memory and how both grow, beside `json.load` and HolisticTraceAnalysis.

    python tests/benchmarks/load_trace.py [--events 1000000] [--hta PYTHON]

Each figure is of a whole process, the best of three, one after another on the same files; memory is the process's peak.
PYTHON is an interpreter with the package HolisticTraceAnalysis; without it that row is left out. Prints a Markdown
table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from large_trace import write

MEASURE = """
import json, resource, sys, time
begin = time.perf_counter()
{body}
took = time.perf_counter() - begin
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
LOAD = """
from ortprobe.ingest import load_files
timeline = load_files(torch=[sys.argv[1]])
assert len(timeline.links.launch) == len(timeline.spans) > 0
"""
REPORT = """
import subprocess
subprocess.run([sys.executable, "-m", "ortprobe", "report", "--torch", sys.argv[1], "-o", sys.argv[1] + ".html",
                "--force"], stderr=subprocess.DEVNULL)
resource.RUSAGE_SELF = resource.RUSAGE_CHILDREN
"""
JSON = "with open(sys.argv[1]) as file: json.load(file)"
HTA = """
import contextlib, io, logging
logging.disable(logging.CRITICAL)
with contextlib.redirect_stdout(io.StringIO()):
    from hta.trace_analysis import TraceAnalysis
    TraceAnalysis(trace_files={0: sys.argv[1]}, trace_dir="/")
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process."""

    seconds: float
    peak_mib: float


def cost(python: str, body: str, trace: Path, tries: int = 3) -> Cost:
    """The quickest of some tries. Imports count."""
    costs = []
    for _ in range(tries):
        done = subprocess.run(
            [python, "-c", MEASURE.format(body=body), str(trace)], capture_output=True, text=True, check=True
        )
        costs.append(Cost(*json.loads(done.stdout.splitlines()[-1])))
    return min(costs, key=lambda one: one.seconds)


def row(what: str, one: Cost, reference: Cost) -> str:
    return f"| {what} | {one.seconds:.2f} | {one.peak_mib:,.0f} | {one.seconds / reference.seconds:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--hta")
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        small, large, stepped = (Path(folder) / f"{name}.json" for name in ("small", "large", "stepped"))
        write(small, chosen.events, steps=10)
        print(f"{chosen.events:,} events, {small.stat().st_size / 1e6:.0f} MB\n")
        print("| what | s | peak MiB | times loading |\n|---|---|---|---|")
        loaded = cost(sys.executable, LOAD, small)
        print(row("load to a Timeline with links", loaded, loaded))
        print(row("`ortprobe report` to HTML", cost(sys.executable, REPORT, small), loaded))
        print(row("`json.load`", cost(sys.executable, JSON, small), loaded))
        if chosen.hta:
            print(row("HolisticTraceAnalysis `TraceAnalysis()`", cost(chosen.hta, HTA, small, 1), loaded), flush=True)
        write(stepped, chosen.events)
        print(row("load, each pass a step", cost(sys.executable, LOAD, stepped), loaded))
        small.unlink(), stepped.unlink()
        write(large, 10 * chosen.events, steps=10)
        print(row(f"load of {10 * chosen.events:,} events", cost(sys.executable, LOAD, large, 2), loaded))


if __name__ == "__main__":
    main()
