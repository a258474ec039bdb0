"""What `ortprobe check` costs on a large capture, as a whole process.

    python tests/benchmarks/check.py [--events 1000000]

The capture is the bundle of `analyses.py`: every run hooked, profiled and watched, which is the dearest kind. Each row
is the best of three whole processes, one after another on the same bundle. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from analyses import large_bundle

from ortprobe.rules.gate.measured import Unit
from ortprobe.rules.gate.metrics import METRICS

_MEASURE = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
done = subprocess.run([sys.executable, "-m", "ortprobe", "check", *sys.argv[1:]], capture_output=True)
assert b"ed" in done.stdout.splitlines()[0], done.stderr  # passed, failed
took = time.perf_counter() - begin
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
_AMPLE = {Unit.COUNT: "1000000000", Unit.PER_RUN: "1000000000", Unit.TIME: "'1000 s'", Unit.SHARE: "'100 %'"}


def cost(words: list[str], tries: int = 3) -> list[float]:
    """Seconds, seconds of CPU and peak MiB of the quickest of some processes."""
    costs = []
    for _ in range(tries):
        done = subprocess.run([sys.executable, "-c", _MEASURE, *words], capture_output=True, text=True, check=True)
        costs.append(json.loads(done.stdout.splitlines()[-1]))
    return min(costs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        bundle, budget = str(large_bundle(folder, chosen.events)), folder / "budget.toml"
        budget.write_text("".join(f"{metric.key} = {_AMPLE[metric.unit]}\n" for metric in METRICS))
        budgets = [bundle, "--budget", str(budget)]
        outs = [word for out in ("a.sarif", "b.xml", "c.md", "d.json") for word in ("-o", str(folder / out))]
        rows = {
            "findings": [bundle],
            f"and {len(METRICS)} budgets": budgets,
            "and SARIF, JUnit, Markdown, JSON": [*budgets, "--force", *outs],
            "and a baseline of the same size": [
                bundle,
                "--budget",
                str(budget),
                "--force",
                *outs,
                "--baseline",
                bundle,
            ],
        }
        print(f"{chosen.events:,} events\n\n| check | s | s of CPU | peak MiB |\n|---|---|---|---|")
        for what, words in rows.items():
            seconds, cpu_seconds, peak_mib = cost(words)
            print(f"| {what} | {seconds:.2f} | {cpu_seconds:.2f} | {peak_mib:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
