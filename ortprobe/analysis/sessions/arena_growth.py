"""In which runs onnxruntime's memory arenas grew, and what asking the driver for memory took there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.idle.host_activity import ALLOCATIONS
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline
from ortprobe.timeline.cuda_calls import base_name
from ortprobe.timeline.groups import sum_by_group

POOLED = ("cudaMallocAsync", "cudaFreeAsync", "cudaMallocFromPoolAsync")
"""Calls that take memory from a pool of the driver's: libraries use them in every run, and nothing grows by it."""
SAYS_GROWTH = (1, 28)
"""The first onnxruntime whose profile says how memory arenas grew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArenaGrowth:
    """Columns parallel to `Timeline.runs`."""

    known: Bools
    """Whether it is known of the run if it got memory: a GPU trace watched it, or ORT's profile saw it and is one that
    says how arenas grew in nodes, of ORT 1.28 and later."""
    grew: Bools
    """Whether an arena grew in one of its nodes, or it asked the driver for memory: what onnxruntime takes for the
    memory pattern of a shape it takes before the first node, and ORT's profile does not say (seen with 1.31.1 on an
    H100). A stream's handles take memory, too."""
    growth_bytes: Int64s
    """By how much arenas grew, by ORT's profile; 0 where it does not say."""
    allocations: Int64s
    """Calls that got memory from the driver or gave it back, in runs that a GPU trace watched."""
    allocating_ns: Int64s
    """What these calls took."""
    call: Int32s
    """The longest of them, a span; NONE without one."""
    node: Int32s
    """The execution of a node in which the arena grew most, a span; NONE where none is known."""


def compute_arena_growth(timeline: Timeline) -> ArenaGrowth:
    """Growth of arenas in each run, and the calls that allocate."""
    spans, executed, runs = timeline.spans, timeline.node_spans, timeline.runs
    count = len(runs)
    of_node = timeline.links.run[executed.span]
    grown = np.flatnonzero((executed.arena_growth_bytes > 0) & (of_node != NONE))
    says = bool(len(grown)) or _version(timeline) >= SAYS_GROWTH
    calls = _allocating(timeline)
    run = timeline.links.run[calls]
    growth_bytes = sum_by_group(of_node[grown], executed.arena_growth_bytes[grown], count)
    asked = np.bincount(run[_named(timeline, calls, "cudaMalloc")], minlength=count) > 0
    return ArenaGrowth(
        known=np.asarray(gpu_traced(timeline) | ((runs.execute_span != NONE) & says), np.bool_),
        grew=np.asarray((growth_bytes > 0) | asked, np.bool_),
        growth_bytes=growth_bytes,
        allocations=np.bincount(run, minlength=count).astype(np.int64),
        allocating_ns=sum_by_group(run, spans.duration_ns[calls], count),
        call=_greatest(run, calls, spans.duration_ns[calls], count),
        node=_greatest(of_node[grown], executed.span[grown], executed.arena_growth_bytes[grown], count),
    )


def _version(timeline: Timeline) -> tuple[int, ...]:
    """Of onnxruntime, as far as it is known."""
    parts = timeline.capture.versions.get("onnxruntime", "").split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _allocating(timeline: Timeline) -> Int32s:
    """CUDA calls of runs that get memory from the driver or give it back."""
    calls = timeline.spans.of_kind(Kind.CUDA_CALL)
    calls = calls[timeline.links.run[calls] != NONE]
    base = {name: base_name(timeline.names[name]) for name in np.unique(timeline.spans.name[calls]).tolist()}
    chosen = [name for name, text in base.items() if text.startswith(ALLOCATIONS) and text not in POOLED]
    return np.asarray(calls[np.isin(timeline.spans.name[calls], chosen)], np.int32)


def _named(timeline: Timeline, calls: Int32s, wanted: str) -> Bools:
    """Which of the calls have this name, whatever variant of it."""
    name = timeline.spans.name[calls]
    chosen = [each for each in np.unique(name).tolist() if base_name(timeline.names[each]) == wanted]
    return np.isin(name, chosen)


def _greatest(group: Int32s, span: Int32s, values: Int64s, groups: int) -> Int32s:
    found = np.full(groups, NONE, np.int32)
    order = np.argsort(values, kind="stable")
    found[group[order]] = span[order]
    return found
