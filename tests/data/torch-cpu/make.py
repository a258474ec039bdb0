"""Records small traces of torch's profiler on the CPU with the installed torch: `python make.py [RECORDING …]`.

Writes `VERSION/RECORDING.json.gz` beside this file, byte for byte as torch exported it, and what is known of each
recording without reading it into `VERSION/known.json`. Without names it makes all.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import torch
from torch._C._profiler import _ExperimentalConfig
from torch.profiler import ProfilerActivity, profile, record_function

ODD_NAMES = (
    'quote"d', "back\\slash", "new\nline", "tab\tstop", "control\x01", "ünïcode 漢字 🚀", "</script><b>", "",
    "{}[],:", '}, {"ph": "X"', "\u2028",
)  # fmt: skip
Known = dict[str, object]


class Taken:
    """Named ranges with the Unix time in ns just before and after each, and the OS thread id."""

    def __init__(self) -> None:
        self.ranges: list[tuple[str, int, int, int]] = []

    @contextmanager
    def range(self, name: str) -> Iterator[None]:
        before_ns = time.time_ns()
        with record_function(name):
            yield
        self.ranges.append((name, before_ns, time.time_ns(), threading.get_native_id()))


def plain(taken: Taken) -> profile:
    """Three named ranges with one matrix product each."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for step in range(3):
            with taken.range(f"range {step}"):
                torch.mm(torch.ones(8, 8), torch.ones(8, 8))
    return profiler


def stacks(taken: Taken) -> profile:
    """With Python functions, shapes, flops and memory records."""
    options = {"with_stack": True, "record_shapes": True, "with_flops": True, "profile_memory": True}
    with profile(activities=[ProfilerActivity.CPU], **options) as profiler, taken.range("outer"):
        torch.nn.Linear(4, 4)(torch.ones(2, 4))
    return profiler


def names(taken: Taken) -> profile:
    """Ranges with names that JSON and HTML must escape."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for name in ODD_NAMES:
            with taken.range(name):
                torch.ones(1)
    return profiler


def threads(taken: Taken) -> profile:
    """Three threads at once, each with two ranges."""
    barrier = threading.Barrier(3)

    def work(number: int) -> None:
        barrier.wait()
        for step in range(2):
            with taken.range(f"thread {number} range {step}"):
                torch.ones(2) + 1
        barrier.wait()

    config = _ExperimentalConfig(profile_all_threads=True)
    with (
        profile(activities=[ProfilerActivity.CPU], experimental_config=config) as profiler,
        ThreadPoolExecutor(3) as pool,
    ):
        list(pool.map(work, range(3)))
    return profiler


def empty(taken: Taken) -> profile:
    """Nothing was done while the profiler was on."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        pass
    return profiler


def metadata(taken: Taken) -> profile:
    """The program added metadata of its own, under names that readers know in other meanings."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler, taken.range("work"):
        torch.ones(1)
        profiler.add_metadata("cuda_runtime_version", "mine")
        profiler.add_metadata_json("traceEvents of mine", '[{"ph": "X"}, "]}"]')
        profiler.add_metadata_json("nested", '{"traceEvents": [], "baseTimeNanoseconds": 7}')
    return profiler


RECORDINGS: dict[str, Callable[[Taken], profile]] = {
    recording.__name__: recording for recording in (plain, stacks, names, threads, empty, metadata)
}


def export(profiler: profile, path: Path, **options: bool) -> None:
    """Write the trace as torch does; `use_python_export` (torch 2.13) takes another writer than Kineto's."""
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(exported), **options)
        path.write_bytes(gzip.compress(exported.read_bytes(), mtime=0))


def main(wanted: list[str]) -> None:
    """Make the named recordings."""
    target = Path(__file__).parent / torch.__version__.partition("+")[0]
    target.mkdir(exist_ok=True)
    known: Known = {}
    for name in wanted or RECORDINGS:
        taken = Taken()
        profiler = RECORDINGS[name](taken)
        known[name] = {"process": os.getpid(), "ranges": taken.ranges}
        export(profiler, target / f"{name}.json.gz")
        if name in ("plain", "names") and torch.__version__ >= "2.13":
            export(profiler, target / f"{name}-python.json.gz", use_python_export=True)
    lines = (f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in known.items())
    (target / "known.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
