"""The same program under Nsight Systems and under ortprobe's own capture: what the two say of the GPU.

    ortprobe trace --no-report -o FOLDER --name NAME-own-0 app.py             # several times in turn, 0, 1, 2 …
    ortprobe nsys --run --whole --name FOLDER/NAME-nsys-0 -- -o FOLDER --name NAME-nsys-0 app.py
    nsys export --type sqlite FOLDER/NAME-nsys-0.nsys-rep
    python tests/benchmarks/nsight_against_own.py FOLDER NAME …

FOLDER has bundles NAME-own-K.ortprobe, bundles NAME-nsys-K.ortprobe, and NAME-nsys-K.sqlite (or .sqlite.gz). Compared
are runs that ortprobe's own captures recorded on the GPU, without the first of each session.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.ingest import load_bundle
from ortprobe.rules import Finding, judge
from ortprobe.timeline import DEVICE_WORK, NONE
from ortprobe.timeline.intervals import union

_BOTH = 3
"""`Runs.attached`: ORT's profile and a trace of the GPU."""
_FIRST_RUNS = 2
_PROGRAM = (IdleCause.TORCH_OP, IdleCause.PYTHON)
"""Nsight Systems does not see torch's operations, so that their time is the program's."""


@dataclass(frozen=True)
class Seen:
    """What one capture says of some runs."""

    work: Counter[tuple[str, str]]
    """Pieces of device work by node and by the beginning of their name, before template arguments."""
    run_ns: float
    """Median latency."""
    busy_ns: int
    idle: dict[str, float]
    """Share of each cause of the idle time, in percent."""
    races: tuple[str, ...]


def seen(analyses: Analyses, first: int, last: int) -> Seen:
    timeline = analyses.timeline
    spans, runs = timeline.spans, timeline.runs
    around = runs.start_ns[first : first + 1], runs.end_ns[last : last + 1]
    work = np.flatnonzero(np.isin(spans.kind, DEVICE_WORK))
    busy_ns = int(covered_ns(union(spans.start_ns[work], spans.end_ns[work]), around)[0])
    columns = analyses.idle.devices[0].columns
    idle: Counter[str] = Counter()
    for number, cause in enumerate(CAUSES):
        own = columns.piece_cause == number
        label = "the program, with torch" if cause in _PROGRAM else cause.value
        idle[label] += int(covered_ns((columns.piece_start_ns[own], columns.piece_end_ns[own]), around)[0])
    in_runs = work[(timeline.links.run[work] >= first) & (timeline.links.run[work] <= last)]
    node = timeline.links.node[in_runs]
    names = ["" if one == NONE else timeline.names[timeline.nodes.name[one]] for one in node.tolist()]
    kernels = [timeline.name_of(span).partition("<")[0] for span in in_runs.tolist()]
    return Seen(
        work=Counter(zip(names, kernels, strict=True)),
        run_ns=float(np.median((runs.end_ns - runs.start_ns)[first : last + 1])),
        busy_ns=busy_ns,
        idle={cause: 100 * time_ns / max(sum(idle.values()), 1) for cause, time_ns in idle.items()},
        races=tuple(sorted(one.code for one in judge(analyses).findings if is_race(one))),
    )


def is_race(finding: Finding) -> bool:
    return finding.code in ("Y1", "Y2", "Y3", "Y4", "Y5", "Y9", "B1", "B4")


def compare(folder: Path, name: str) -> None:
    """Print what the captures of one program say, and where they differ."""
    paths = sorted(folder.glob(f"{name}-own-*.ortprobe"))
    own = [Analyses(load_bundle(path)) for path in paths]
    recorded = [folder / path.name.replace("-own-", "-nsys-") for path in paths]
    nsight = [Analyses(load_bundle(path, nsys=[export_of(path)])) for path in recorded]
    first, last = steady_runs(own)
    ours, theirs = ([seen(one, first, last) for one in side] for side in (own, nsight))
    same = all(one.work == ours[0].work for one in [*ours, *theirs])
    print(f"\n## {name}: runs {first} to {last}, {len(ours)} captures each way")
    print(f"work by node {'the same in all' if same else 'DIFFERS'}: {sum(ours[0].work.values())} pieces, "
          f"{len(ours[0].work)} kernels of nodes; races {sorted({one.races for one in [*ours, *theirs]})}")  # fmt: skip
    if not same:
        for one in theirs:
            print("  ", [*(ours[0].work - one.work).items()][:4], [*(one.work - ours[0].work).items()][:4])
    print("| | ortprobe | Nsight Systems | difference |\n|---|---|---|---|")
    row("run, median, µs", [one.run_ns / 1e3 for one in ours], [one.run_ns / 1e3 for one in theirs])
    row("GPU busy, µs", [one.busy_ns / 1e3 for one in ours], [one.busy_ns / 1e3 for one in theirs])
    for cause in sorted(set(ours[0].idle)):
        a, b = ([one.idle[cause] for one in side] for side in (ours, theirs))
        if max(*a, *b) >= 1:
            row(f"idle: {cause}, %", a, b, in_points=True)


def steady_runs(captures: Sequence[Analyses]) -> tuple[int, int]:
    """The first and last of the longest row of runs that all captures recorded on the GPU and that are no session's
    first ones, which load code."""
    count = min(len(one.timeline.runs) for one in captures)
    good = np.ones(count, np.bool_)
    for one in captures:
        runs = one.timeline.runs
        good &= runs.attached[:count] == _BOTH
        for session in np.unique(runs.session):
            good[np.flatnonzero(runs.session == session)[:_FIRST_RUNS]] = False
    ends = np.flatnonzero(np.diff(np.concatenate(([0], good.astype(np.int8), [0]))))
    longest = int((ends[1::2] - ends[::2]).argmax())
    return int(ends[2 * longest]), int(ends[2 * longest + 1]) - 1


def export_of(bundle: Path) -> Path:
    plain = bundle.with_suffix(".sqlite")
    return plain if plain.exists() else bundle.with_suffix(".sqlite.gz")


def row(what: str, ours: Sequence[float], theirs: Sequence[float], *, in_points: bool = False) -> None:
    """Medians with the least and the most, and how far the medians are apart."""
    a, b = np.median(ours), np.median(theirs)
    apart = f"{b - a:+.1f} points" if in_points else f"{100 * (b / a - 1):+.2f} %"
    told = [f"{np.median(side):.1f} ({min(side):.1f} to {max(side):.1f})" for side in (ours, theirs)]
    print(f"| {what} | {told[0]} | {told[1]} | {apart} |")


if __name__ == "__main__":
    for program in sys.argv[2:]:
        compare(Path(sys.argv[1]), program)
