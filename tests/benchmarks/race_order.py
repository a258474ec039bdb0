"""What ordering the accesses of a large capture costs: real ones laid end to end until they have so many CUDA calls.

`python race_order.py [--calls N]` prints the time for N calls and for a quarter of them, and the memory's peak, of the
`missing-wait` example, which has all calls of its program, and of one of the programs with a known order, whose
recording holds little but calls that order something.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from captures import DATA

from ortprobe.analysis.races.memory_order import compute_races
from ortprobe.ingest import load_bundle
from ortprobe.timeline import NONE, Kind, Timeline

RECORDINGS = ("h100-examples/missing-wait.ortprobe", "h200-races/wait_stream_both_ways.zip")
_TIMES = ("start_ns", "end_ns", "at_ns")
_OF_SPANS = ("span", "launch", "node_span", "hook_span", "run_span", "execute_span")
_GAP_NS = 1_000_000


def laid_end_to_end(timeline: Timeline, times: int) -> Timeline:
    """The capture so many times over, each after the one before."""
    step = {
        "ns": timeline.end_ns - timeline.start_ns + _GAP_NS,
        "span": len(timeline.spans),
        "run": len(timeline.runs),
        "hook": len(timeline.hooks.span),
        "correlation": int(timeline.spans.correlation.max()) + 1,
    }
    tables = ("spans", "device_ops", "waits", "hooks", "handovers", "tensor_uses", "runs", "links")
    return replace(timeline, **{name: _tiled(getattr(timeline, name), times, step) for name in tables})


def _tiled(table: object, times: int, step: dict[str, int]) -> object:
    columns = {}
    for field in fields(table):
        values = getattr(table, field.name)
        by = _step_of(field.name, step)
        copies = [np.where((values == NONE) & (by != step["ns"]), values, values + k * by) for k in range(times)]
        columns[field.name] = np.concatenate(copies).astype(values.dtype)
    return type(table)(**columns)


def _step_of(column: str, step: dict[str, int]) -> int:
    if column in _TIMES:
        return step["ns"]
    if column in _OF_SPANS:
        return step["span"]
    if column in ("correlation", "record_correlation"):
        return step["correlation"]
    return step.get(column, 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=1_000_000)
    chosen = parser.parse_args()
    for recording in RECORDINGS:
        print(recording)
        small = load_bundle(DATA / recording)
        calls = len(small.spans.of_kind(Kind.CUDA_CALL))
        for wanted in (chosen.calls // 4, chosen.calls):
            measure(laid_end_to_end(small, -(-wanted // calls)))


def measure(timeline: Timeline) -> None:
    begin = time.perf_counter()
    found = compute_races(timeline)
    seconds = time.perf_counter() - begin
    tracemalloc.start()
    compute_races(timeline)
    peak = tracemalloc.get_traced_memory()[1] / (1 << 20)
    tracemalloc.stop()
    made = len(timeline.spans.of_kind(Kind.CUDA_CALL))
    print(f"  {made:,} calls, {found.accesses:,} accesses, {len(found.pairs):,} pairs: {seconds:.2f} s, {peak:.0f} MiB")


if __name__ == "__main__":
    main()
