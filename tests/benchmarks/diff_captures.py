"""What a comparison says of captures of the same program, and of one with 5 % more work.

    python tests/benchmarks/diff_captures.py FOLDER [--pairs 10] [--repeats 3]

Traces `diff_program.py` as it is, twice for each pair, with one more layer, and with work between runs, in turn, so
that what the machine does meanwhile hits all alike. Then compares them one with one, and several with several
(`--repeats`). Captures that are already in the folder are not made again. Prints how often each verdict was given, the
changes that were measured with their intervals, and how much the medians of processes that do the same differ.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.comparison import Comparison, compare
from ortprobe.analysis.comparison.run_changes import Measure
from ortprobe.ingest import load_bundle

PROGRAM = Path(__file__).with_name("diff_program.py")
VARIANTS = {"first": "same", "second": "same", "node": "node", "pace": "pace"}
"""Which program each capture of a pair is of."""
PLANTED = {"second": "nothing", "node": "+5 % in the run", "pace": "+5 % between runs"}


def capture(folder: Path, name: str, variant: str) -> Path:
    """Trace one process, unless that was done before."""
    bundle = folder / f"{name}.ortprobe"
    if not bundle.exists():
        words = ["-m", "ortprobe", "trace", "--no-report", "-o", str(folder), "--name", name, str(PROGRAM), variant]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=os.environ, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr.strip()}")
    return bundle


def groups(pairs: int, size: int) -> Iterator[list[int]]:
    """As many groups as there are pairs, each of neighbours in time; they overlap where `size` is above 1."""
    return ([(first + step) % pairs for step in range(size)] for first in range(pairs))


def compared(captures: dict[str, list[Analyses]], other: str, size: int) -> list[Comparison]:
    """The first captures against the others, so many with so many."""
    pairs = len(captures["first"])
    return [
        compare([captures["first"][row] for row in rows], [captures[other][row] for row in rows])
        for rows in groups(pairs, size)
    ]


def told(comparison: Comparison) -> str:
    """`+5.1 % (3.9 to 6.2)` of what the verdict is about."""
    (session,) = comparison.sessions
    measured = session.measured(session.by)
    if measured is None:
        return "-"
    change = measured.change
    low, high = 100 * (change.low - 1), 100 * (change.high - 1)
    return f"{session.by.value} {100 * (change.factor - 1):+.1f} ({low:+.1f} to {high:+.1f})"


def exact(comparison: Comparison) -> bool:
    """Whether every account adds up."""
    accounts = [each for session in comparison.sessions for each in (session.account, session.pace_account) if each]
    return all(
        sum(part.more_ns for part in account.parts) + account.beside_ns == account.stated_ns for account in accounts
    )


def spread(side: Sequence[Analyses], measure: Measure) -> float:
    """Standard deviation of the logarithms of what each process measured, untraced."""
    medians = []
    for each in side:
        runs = each.runs
        chosen = (runs.attached == 0) & (runs.steady_period if measure is Measure.PERIOD else runs.steady)
        medians.append(np.median((runs.period_ns if measure is Measure.PERIOD else runs.latency_ns)[chosen]))
    return float(np.std(np.log(medians), ddof=1))


def main() -> None:
    """Capture, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    words = parser.parse_args()
    captures: dict[str, list[Analyses]] = {name: [] for name in VARIANTS}
    for pair in range(words.pairs):
        for name, variant in VARIANTS.items():
            bundle = capture(words.folder, f"{name}-{pair}", variant)
            captures[name].append(Analyses(load_bundle(bundle)))
    same = [*captures["first"], *captures["second"]]
    print(f"{captures['first'][0].timeline.capture.devices or 'CPU'}, {len(same)} processes that do the same:")
    for measure in (Measure.MEDIAN, Measure.PERIOD):
        print(f"  {measure.value} differs by {100 * spread(same, measure):.2f} % (standard deviation)")
    for size in sorted({1, words.repeats}):
        for other, planted in PLANTED.items():
            found = compared(captures, other, size)
            counts = Counter(each.verdict.outcome.value for each in found)
            said = ", ".join(f"{outcome} {count}" for outcome, count in counts.most_common())
            print(f"{size} against {size}, planted {planted}: {said}; accounts exact: {all(map(exact, found))}")
            for each in found:
                print(f"    {each.verdict.outcome.value:<10} {told(each)}")


if __name__ == "__main__":
    main()
