"""What is counted over time: streams at work, launches that have not begun, what onnxruntime's arenas hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ortprobe.timeline import DEVICE_WORK, NONE, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import union


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A value that holds from each of its times on."""

    name: str
    unit: str
    """Empty for plain numbers."""
    time_ns: Int64s
    value: Int64s


def counters(timeline: Timeline) -> Iterator[Counter]:
    """Those that the capture can tell."""
    spans = timeline.spans
    work = np.flatnonzero(np.isin(spans.kind, DEVICE_WORK))
    if len(work):
        start_ns, end_ns = spans.start_ns[work], spans.end_ns[work]
        busy = [union(start_ns[rows], end_ns[rows]) for _, rows in rows_by_value(spans.lane[work])]
        yield _counted("Streams at work", *(np.concatenate([each[side] for each in busy]) for side in (0, 1)))
        launch = timeline.links.launch[work]
        launched = launch != NONE
        called_ns = spans.start_ns[launch[launched]]
        yield _counted("Launched, not begun", called_ns, np.maximum(start_ns[launched], called_ns))
    growth_bytes = timeline.node_spans.arena_growth_bytes
    if growth_bytes.any():
        grown = np.flatnonzero(growth_bytes)
        at_ns = spans.end_ns[timeline.node_spans.span[grown]]
        order = np.argsort(at_ns, kind="stable")
        held_bytes = np.maximum(np.cumsum(growth_bytes[grown][order]), 0)
        yield Counter(name="ORT memory", unit="B", time_ns=at_ns[order], value=held_bytes)


def _counted(name: str, start_ns: Int64s, end_ns: Int64s) -> Counter:
    """How many of these stretches there are at a time."""
    change_ns = np.concatenate((start_ns, end_ns))
    change = np.concatenate((np.ones(len(start_ns), np.int64), -np.ones(len(end_ns), np.int64)))
    time_ns, at = np.unique(change_ns, return_inverse=True)
    step = np.zeros(len(time_ns), np.int64)
    np.add.at(step, at, change)
    kept = step != 0
    return Counter(name=name, unit="", time_ns=time_ns[kept], value=np.cumsum(step)[kept])
