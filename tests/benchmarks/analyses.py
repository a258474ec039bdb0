"""What each analysis of a large bundle costs, and how that grows with its size.

    python tests/benchmarks/analyses.py [--events 1000000]

The bundle is that of a program whose runs are all hooked, in ONNX Runtime's profile and in torch's trace: of each event
there is more to say than in a bare trace. Prints a Markdown table: seconds of each analysis at the first use, at this
size and at a quarter of it, the best of three.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from large_trace import BASE_NS, PROCESS, Writer, write
from traces.bundle_rows import start_bundle, write_bundle
from traces.ort_rows import ProfileLayout, node_row, session_row, write_profile

from ortprobe.analysis.analyses import Analyses
from ortprobe.bundle import Call, ProfileEnded, SessionCreated, Window
from ortprobe.ingest import load_bundle
from ortprobe.timeline import Timeline

_PROFILE_STARTS_NS = 4_512_340_000_000
"""After the base, as all times of `large_trace` are."""


def large_bundle(folder: Path, events: int) -> Path:
    """A bundle of about so many events."""
    bundle = folder / f"large-{events}.ortprobe"
    writer = start_bundle(bundle, "large", PROCESS, BASE_NS + _PROFILE_STARTS_NS)
    written = write(bundle / "torch-0.json", events * 6 // 7, steps=10)
    write_profile(bundle / "ort-0.json", _profile(written), ProfileLayout())
    whole = {"start_ns": BASE_NS + _PROFILE_STARTS_NS, "end_ns": BASE_NS + written.now_ns}
    made = {"session": 0, "owner": 0, "reason": "constructor", "thread": PROCESS}
    times = {"start_ns": whole["start_ns"], "end_ns": whole["start_ns"] + 1000}
    started = {"profile_start_ns": whole["start_ns"]}
    records = [
        msgspec.convert({"type": "session", **made, **times, **started}, SessionCreated),
        ProfileEnded(session=0, file="ort-0.json", end_ns=whole["end_ns"]),
        Window(file="torch-0.json", **whole),
        *(_run(number, *bounds) for number, bounds in enumerate(written.runs_ns)),
    ]
    write_bundle(writer, records)
    return bundle


def _run(number: int, start_ns: int, end_ns: int) -> Call:
    bounds = {"start_ns": BASE_NS + start_ns, "end_ns": BASE_NS + end_ns}
    raw = {"type": "call", "what": "run", "thread": PROCESS, "session": 0, "run": number, "attached": 3, **bounds}
    return msgspec.convert(raw, Call)


def _profile(written: Writer) -> list[dict[str, object]]:
    def at_us(time_ns: int) -> int:
        return (time_ns - _PROFILE_STARTS_NS) // 1000

    rows = []
    for start_ns, end_ns in written.runs_ns:
        for name, margin_ns in (("model_run", 2_500), ("SequentialExecutor::Execute", 5_000)):
            length_us = (end_ns - start_ns - 2 * margin_ns) // 1000
            rows.append(session_row(name, at_us(start_ns + margin_ns), length_us, process=PROCESS, thread=PROCESS))
    for number, start_ns, end_ns in written.nodes_ns:
        of_node = {"process": PROCESS, "thread": PROCESS, "index": number, "shape": (8, 64, 56, 56)}
        rows.append(node_row(f"conv_{number}", at_us(start_ns), (end_ns - start_ns) // 1000, **of_node))
    return sorted(rows, key=lambda row: row["ts"])


def costs(timeline: Timeline) -> dict[str, float]:
    """Seconds of each analysis, in their order; what one needs of another counts where it is asked for first."""
    analyses, found = Analyses(timeline), {}
    for name, member in vars(Analyses).items():
        if isinstance(member, cached_property):
            found[name] = _seconds(lambda name=name: getattr(analyses, name))
    return found


def _seconds(ask: Callable[[], object]) -> float:
    begin = time.perf_counter()
    ask()
    return time.perf_counter() - begin


def best(timeline: Timeline, tries: int = 3) -> dict[str, float]:
    every = [costs(timeline) for _ in range(tries)]
    return {name: min(one[name] for one in every) for name in every[0]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        timelines = [load_bundle(large_bundle(Path(folder), events)) for events in (chosen.events // 4, chosen.events)]
    small, large = map(best, timelines)
    counts = [f"{len(timeline.spans):,} spans, {len(timeline.runs):,} runs" for timeline in timelines]
    print(f"{counts[1]} (a quarter: {counts[0]})\n\n| analysis | s | a quarter | times |\n|---|---|---|---|")
    for name, seconds in {**large, "all": sum(large.values())}.items():
        quarter = small.get(name, sum(small.values()))
        print(f"| {name.strip('_')} | {seconds:.3f} | {quarter:.3f} | {seconds / max(quarter, 1e-9):.1f} |")


if __name__ == "__main__":
    main()
