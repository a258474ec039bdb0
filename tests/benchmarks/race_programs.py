"""Programs with one planted race each, programs whose order is right in ways that are not obvious, and programs that
wait for nothing.

    python tests/benchmarks/race_programs.py --list
    python tests/benchmarks/race_programs.py NAME [ROUNDS]         # on a GPU
    ortprobe trace tests/benchmarks/race_programs.py NAME

Each round puts another input into a small model and keeps a copy of the output. Prints one JSON object: the name, the
rounds, how many results were wrong, against answers that another session gave before the loop, fully synchronised, and
how long a round took. Results are compared after the loop: checking adds no wait to it.
"""

from __future__ import annotations

import json
import sys

import torch  # isort: skip
import onnxruntime
from ordered_programs import ORDERED
from race_loop import LOOPS_S, Program, count_wrong, make_batches, references
from racy_programs import RACY
from waiting_programs import WAITING

PROGRAMS: dict[str, Program] = {**RACY, **ORDERED, **WAITING}


def main(name: str, rounds: int) -> None:
    """Run one program and print how many of its results were wrong."""
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    torch.cuda.init()
    program = PROGRAMS[name]
    batches = make_batches(rounds)
    expected = references(batches, program.models)
    results = program.run(batches)
    wrong, round_ms = count_wrong(results, expected), 1000 * LOOPS_S[-1] / rounds
    print(json.dumps({"name": name, "rounds": rounds, "wrong": wrong, "round_ms": round(round_ms, 3)}))


def show() -> None:
    """Print every program with what is expected of it."""
    for name, program in PROGRAMS.items():
        print(f"{name:<28}{program.expectation}")


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        show()
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40)
