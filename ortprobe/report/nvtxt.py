"""Executed ONNX nodes as NVTX ranges in text (NVTXT), which `ImportNvtxt` merges into a recording of Nsight Systems.

Seen of ImportNvtxt 2022.4 and 2023.4: times of `TimeBase = Relative` are those of the recording's export to SQLite; a
line that it can't read ends the import; strings can't hold quotes, and a backslash before the last one hides it. The
recording then holds the ranges, as its exports to JSON and text show; its export to SQLite leaves them out, and so does
`nsys stats`, which reads that.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ortprobe.errors import UsageError
from ortprobe.names import printable
from ortprobe.timeline import ClockMethod, ProblemKind, SourceKind, Timeline

_HEAD = (
    'SetFileDisplayName, "ONNX Runtime nodes"',
    "@RangePush, Time, ProcessId, ThreadId, Message",
    "TimeBase = Relative",
    "@RangePop, Time, ProcessId, ThreadId",
    "TimeBase = Relative",
)
_TARGET = "0:1"
"""The machine and virtual machine in each `globalTid` of a local recording (2022.4, 2023.4, 2025.3): without it, ranges
come to lie in a process of their own."""
_Range = tuple[int, int, str]
"""Start and end in ns since the recording began, and the node's name."""


def render_nvtxt(timeline: Timeline) -> bytes:
    """Every execution of a node, on its thread, on the clock of the recording that the timeline holds.

    Raises:
        UsageError: there is not exactly one recording of Nsight Systems whose clock is known, or no node whose place in
            time is.
    """
    began_ns = _began_ns(timeline)
    by_thread = _ranges(timeline, began_ns)
    if not by_thread:
        raise UsageError("no node to write: there is no ONNX Runtime profile whose place in time is known")
    lines = [f"# {_line(Path('RECORDING'), Path('NODES'))}", *_HEAD]
    for (process, thread), ranges in by_thread.items():
        lines += _pushed_and_popped(f"{process}, {thread}", ranges)
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def merge_line(export: Path, nvtxt: Path) -> str:
    """The command that merges `nvtxt` into the recording that `export` is, or was exported from."""
    recording = export.with_name(export.name.removesuffix(".gz")).with_suffix("")
    return _line(recording, nvtxt.with_suffix(""))


def _line(recording: Path, nodes: Path) -> str:
    merged = recording.with_name(recording.name + "-nodes")
    words = ["ImportNvtxt", "--cmd", "merge", "-i", f"{recording}.nsys-rep", "-n", f"{nodes}.nvtxt"]
    return printable(shlex.join([*words, "-o", f"{merged}.nsys-rep", "--target", _TARGET]))


def _began_ns(timeline: Timeline) -> int:
    doubtful = {problem.source for problem in timeline.problems if problem.kind is ProblemKind.CLOCK_DOUBT}
    recordings = [
        (number, source) for number, source in enumerate(timeline.sources) if source.kind is SourceKind.NSIGHT
    ]
    if not recordings:
        raise UsageError("nvtxt is merged into a recording of Nsight Systems: name its export with --nsys")
    paths = dict.fromkeys(source.path for _, source in recordings)
    if len(paths) > 1:
        raise UsageError(f"nvtxt is merged into one recording: give one of {', '.join(paths)}")
    number, source = recordings[0]
    if source.began_ns is None or number in doubtful:
        raise UsageError(f"{source.path}: its clock can't be told, so neither can where nodes lie in it")
    return source.began_ns


def _ranges(timeline: Timeline, began_ns: int) -> dict[tuple[int, int], list[_Range]]:
    """Ranges by process and thread, outer ones first, of profiles whose place in time is known."""
    doubted = {problem.source for problem in timeline.problems if problem.kind is ProblemKind.CLOCK_DOUBT}
    afloat = [bound.source for bound in timeline.clocks if bound.method is ClockMethod.UNCHECKED]
    spans, nodes = timeline.spans, timeline.node_spans
    known = ~np.isin(spans.source[nodes.span], [source for source in afloat if source in doubted])
    own, node = nodes.span[known], nodes.node[known]
    order = np.lexsort((-spans.end_ns[own], spans.start_ns[own]))
    found: dict[tuple[int, int], list[_Range]] = {}
    columns = own, spans.lane[own], timeline.nodes.name[node]
    for span, lane, name in zip(*(column[order].tolist() for column in columns), strict=True):
        place = timeline.lanes[lane]
        start_ns, end_ns = int(spans.start_ns[span]) - began_ns, int(spans.end_ns[span]) - began_ns
        if place.thread >= 0 and place.process >= 0 and start_ns >= 0:
            found.setdefault((place.process, place.thread), []).append((start_ns, end_ns, timeline.names[name]))
    return found


def _pushed_and_popped(place: str, ranges: list[_Range]) -> Iterator[str]:
    """Lines in the order in which a thread would have made these ranges. Ends that cross the next beginning, as
    rounding makes them, are put there."""
    ends_ns: list[int] = []
    for start_ns, end_ns, name in ranges:
        while ends_ns and ends_ns[-1] < end_ns:
            yield f"RangePop, {min(ends_ns.pop(), start_ns)}, {place}"
        yield f'RangePush, {start_ns}, {place}, "{_quoted(name)}"'
        ends_ns.append(end_ns)
    while ends_ns:
        yield f"RangePop, {ends_ns.pop()}, {place}"


def _quoted(name: str) -> str:
    text = printable(name).replace('"', "'") or "unnamed"
    return f"{text} " if text.endswith("\\") else text
