"""Counts that jump: a run with far fewer kernels or nodes than other runs of the same session with the same shapes.

The sequence of kernels of a run is the same from run to run, first runs and runs after a re-initialisation included
(measured on an H100: 234 kernels in each of ten runs), so a run that has far fewer has lost some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ortprobe.bundle import ATTACHED_TORCH_PROFILER
from ortprobe.ingest.watched import Watched, cited, stretch
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Problem, ProblemKind, Timeline, traced_windows
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES
from ortprobe.timeline.intervals import innermost_containing

FEWEST_ALIKE = 5
"""Runs that must be alike before one of them can be odd."""
FAR_FEWER = 0.5
"""Of the median."""
LEAST_MEDIAN = 4
"""Of a handful, half is no jump."""
_CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")
"""Operators whose subgraphs run as often as the data says."""


def find_jumps(watched: Watched) -> list[Problem]:
    """Runs with far fewer kernels or nodes than their like, where nothing else explains it, and runs without a call."""
    timeline = watched.timeline
    if not len(timeline.runs):
        return []
    likeness = _likeness(timeline)
    kernels = _per_run(timeline, timeline.spans.of_kind(Kind.KERNEL))
    seen = _whole_runs(timeline)
    silent = _silent(watched, seen, kernels)
    steady = likeness.known & ~_data_dependent(timeline)[timeline.runs.session]
    few_nodes = _far_fewer(likeness.nodes, likeness.group, steady & (likeness.nodes > 0))
    explained = few_nodes | silent | _marked(timeline, watched.launches[watched.fruitless])
    explained |= _marked(timeline, watched.named(GRAPH_LAUNCHES))
    few_kernels = _far_fewer(kernels, likeness.group, steady & seen) & ~explained
    return [
        *_problem(timeline, ProblemKind.FEWER_NODES, "less than half as many nodes as", few_nodes),
        *_problem(timeline, ProblemKind.FEWER_KERNELS, "less than half as many kernels as", few_kernels),
        *_problem(timeline, ProblemKind.FEWER_KERNELS, "no CUDA call at all in the trace, unlike", silent),
    ]


def _problem(timeline: Timeline, kind: ProblemKind, what: str, chosen: Bools) -> Iterator[Problem]:
    runs = np.flatnonzero(chosen)
    if len(runs):
        hook, own = timeline.runs.hook_span[runs], timeline.runs.run_span[runs]
        shown = np.where(hook == NONE, own, hook).astype(np.int32)
        together = runs[-1] - runs[0] < len(runs)
        start_ns, end_ns = stretch(timeline.spans, shown) if together else (None, None)
        yield Problem(
            kind=kind,
            detail=f"{len(runs):,} of {len(timeline.runs):,} runs have {what} other runs of the same session"
            + (" with the same input shapes" if "half" in what else ""),
            count=len(runs),
            evidence=cited(shown),
            start_ns=start_ns,
            end_ns=end_ns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Likeness:
    """Which runs are of one session with one input shape. All columns are parallel to `Timeline.runs`."""

    group: Int64s
    known: Bools
    """False for runs whose shape nobody recorded."""
    nodes: Int64s
    """Executions of nodes."""


def _likeness(timeline: Timeline) -> _Likeness:
    """By the input shapes of the node that most runs of the session begin with.

    A run that does not begin with it has lost its beginning. It counts as alike where the session saw one shape alone.
    """
    runs, table = timeline.runs, timeline.node_spans
    run = timeline.links.run[table.span]
    rows = np.flatnonzero(run != NONE)
    first = np.full(len(runs), NONE, np.int64)
    first[run[rows[::-1]]] = rows[::-1]
    shape = np.full(len(runs), NONE, np.int64)
    has = first != NONE
    for session in np.unique(runs.session[has]).tolist():
        own = np.flatnonzero(has & (runs.session == session))
        begins = table.node[first[own]]
        usual = own[begins == np.bincount(begins).argmax()]
        shape[usual] = table.input_shapes[first[usual]]
        if len(np.unique(shape[usual])) == 1:
            shape[own] = shape[usual[0]]
    group = runs.session.astype(np.int64) * (len(timeline.names) + 1) + shape
    return _Likeness(
        group=group,
        known=(shape != NONE) & (runs.session != NONE),
        nodes=np.bincount(run[rows], minlength=len(runs)),
    )


def _far_fewer(counts: Int64s, group: Int64s, compared: Bools) -> Bools:
    """Those of the compared runs with less than half the median of their group, where the group is large enough."""
    found = np.zeros(len(counts), np.bool_)
    rows = np.flatnonzero(compared)
    if len(rows) < FEWEST_ALIKE:
        return found
    rows = rows[np.lexsort((counts[rows], group[rows]))]
    _, first, member, size = np.unique(group[rows], return_index=True, return_inverse=True, return_counts=True)
    median = counts[rows[first + size // 2]]
    judged = (size >= FEWEST_ALIKE) & (median >= LEAST_MEDIAN)
    found[rows] = judged[member] & (counts[rows] < FAR_FEWER * median[member])
    return found


def _silent(watched: Watched, seen: Bools, kernels: Int64s) -> Bools:
    """Runs without any CUDA call, of sessions with kernels, on threads whose calls the trace has.

    A run on a GPU makes calls even when it launches nothing: it waits for its stream.
    """
    timeline = watched.timeline
    runs = timeline.runs
    calls = _per_run(timeline, watched.calls)
    threads = np.zeros(len(timeline.lanes), np.bool_)
    threads[timeline.spans.lane[watched.calls]] = True
    with_kernels = np.bincount(runs.session[(kernels > 0) & (runs.session != NONE)], minlength=len(timeline.sessions))
    usual = np.zeros(len(runs), np.bool_)
    of_session = runs.session != NONE
    usual[of_session] = with_kernels[runs.session[of_session]] >= FEWEST_ALIKE
    return np.asarray(seen & usual & threads[runs.lane] & (calls == 0))


def _whole_runs(timeline: Timeline) -> Bools:
    """Runs that ended well and lie wholly inside of one torch trace."""
    runs = timeline.runs
    windows = traced_windows(timeline.spans, timeline.sources)
    begins, ends = (innermost_containing(*windows, points) for points in (runs.start_ns, runs.end_ns - 1))
    failed = np.isin(runs.hook_span, timeline.hooks.span[timeline.hooks.failed])
    attached = (runs.attached & ATTACHED_TORCH_PROFILER) != 0
    return np.asarray(attached & (begins != NONE) & (begins == ends) & ~failed)


def _data_dependent(timeline: Timeline) -> Bools:
    """For each session, and for none at the end, whether how many nodes it executes depends on its data."""
    nodes = timeline.nodes
    wanted = np.fromiter((name in _CONTROL_FLOW for name in timeline.names), np.bool_, len(timeline.names))
    found = np.zeros(len(timeline.sessions) + 1, np.bool_)
    found[nodes.session[wanted[nodes.op_type]]] = True
    return found


def _per_run(timeline: Timeline, chosen: Int32s) -> Int64s:
    run = timeline.links.run[chosen]
    return np.bincount(run[run != NONE], minlength=len(timeline.runs))


def _marked(timeline: Timeline, chosen: Int32s) -> Bools:
    return _per_run(timeline, chosen) > 0
