"""What belongs to what: device work → launch → ONNX node → run.

A launch belongs to the innermost node span on its thread; device work belongs to its launch by correlation id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ortprobe.ingest.builder import Collected
from ortprobe.ingest.linking.containment import containing
from ortprobe.timeline import DEVICE_WORK, NONE, Int32s, Int64s, Kind, LinkedBy, Links, Runs, Spans, UInt8s
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import innermost_containing

_HOST_KINDS = (
    Kind.HOOK, Kind.ORT_LOAD, Kind.ORT_INITIALIZE, Kind.ORT_RUN, Kind.ORT_EXECUTE, Kind.ORT_NODE, Kind.TORCH_OP,
    Kind.ANNOTATION, Kind.PYTHON, Kind.CUDA_CALL, Kind.OVERHEAD, Kind.OTHER,
)  # fmt: skip
_NOWHERE: Mapping[int, int] = {}
_CUT_NS = 1_000
"""ORT cuts the start of a node to the µs before it, so a call in that µs may have been made before the node. No kernel
was launched that early: the first one of a node is 1.9 µs inside of it or more (measured on an H100)."""
_LAUNCHED = (*DEVICE_WORK, Kind.WAIT, Kind.EVENT_RECORD)


def link(
    collected: Collected, runs: Runs, afloat: Collection[int] = (), ends_ns: Mapping[int, int] = _NOWHERE
) -> Links:
    """All links of a timeline, but for nodes that runs lend each other.

    Nothing is concluded from what lies inside of spans of sources whose place in time is not known (`afloat`), nor
    from what does so after its source was cut off (`ends_ns`): a span further inside may be missing.
    """
    spans = collected.spans
    launch, launch_by = _launches(spans)
    launched = launch != NONE
    run, run_by = _runs_on_host(collected, runs, afloat)
    executions = collected.node_spans.span
    placed = executions[~np.isin(spans.source[executions], list(afloat))]
    node_span = _around(spans, placed, spans.of_kind(Kind.CUDA_CALL))
    linked = np.flatnonzero(node_span != NONE)
    node_span[linked[spans.start_ns[linked] < spans.start_ns[node_span[linked]] + _CUT_NS]] = NONE
    for source, end_ns in ends_ns.items():
        linked = np.flatnonzero(node_span != NONE)
        linked = linked[spans.source[node_span[linked]] == source]
        node_span[linked[spans.start_ns[linked] >= end_ns]] = NONE
    node_span[executions] = executions
    hook_span = _around(spans, collected.hooks.span, np.flatnonzero(np.isin(spans.kind, _HOST_KINDS)).astype(np.int32))
    hook_span[collected.hooks.span] = collected.hooks.span
    for column in (run, run_by, node_span, hook_span):
        column[launched] = column[launch[launched]]
    node = _nodes(collected, node_span)
    node_by = np.where(node == NONE, LinkedBy.NOTHING, LinkedBy.NESTED).astype(np.uint8)
    node_by[executions] = LinkedBy.STATED
    hook = np.full(len(spans), NONE, np.int32)
    hook[hook_span != NONE] = collected.hooks.rows_of(hook_span[hook_span != NONE])
    return Links(
        launch=launch,
        launch_by=launch_by,
        node=node,
        node_by=node_by,
        node_span=node_span,
        run=run,
        run_by=run_by,
        hook=hook,
    )


def _launches(spans: Spans) -> tuple[Int32s, UInt8s]:
    """By (source, correlation id), which is unique in a process. Where a merged file has several calls of one id, it is
    the last that began before the work did."""
    launch, by = np.full(len(spans), NONE, np.int32), np.zeros(len(spans), np.uint8)
    calls = spans.of_kind(Kind.CUDA_CALL)
    calls = calls[spans.correlation[calls] > 0]
    launched = spans.of_kind(*_LAUNCHED)
    launched = launched[spans.correlation[launched] > 0]
    if not len(calls) or not len(launched):
        return launch, by
    key = _ranks(spans, np.concatenate((calls, launched)))
    of_calls, of_launched = key[: len(calls)], key[len(calls) :]
    order = np.argsort(of_calls, kind="stable")
    of_calls, calls = of_calls[order], calls[order]
    first, past = np.searchsorted(of_calls, of_launched), np.searchsorted(of_calls, of_launched, side="right")
    found = past > first
    launch[launched[found]] = calls[first[found]]
    by[launched[found]] = LinkedBy.STATED
    for at in np.flatnonzero(past > first + 1).tolist():
        own = calls[first[at] : past[at]]
        earlier = int(np.searchsorted(own, launched[at])) - 1
        launch[launched[at]], by[launched[at]] = own[max(earlier, 0)], LinkedBy.BY_TIME
    return launch, by


def _ranks(spans: Spans, chosen: Int32s) -> Int64s:
    """Equal for spans of one source and correlation id. Ids are of any size."""
    ids, rank = np.unique(spans.correlation[chosen], return_inverse=True)
    return spans.source[chosen].astype(np.int64) * len(ids) + rank


def _runs_on_host(collected: Collected, runs: Runs, afloat: Collection[int]) -> tuple[Int32s, UInt8s]:
    """Host spans that start inside a run on the run's thread; ORT's own spans on other threads of a parallel run."""
    spans = collected.spans
    host = np.flatnonzero(np.isin(spans.kind, _HOST_KINDS)).astype(np.int32)
    found = np.full(len(spans), NONE, np.int32)
    of_lane = dict(rows_by_value(spans.lane[host]))
    for lane, own in rows_by_value(runs.lane):
        inside = host[of_lane[lane]]
        at = innermost_containing(runs.start_ns[own], runs.end_ns[own], spans.start_ns[inside])
        found[inside] = np.where(at == NONE, NONE, own[at])
    _set_afloat(collected, runs, afloat, found)
    by = np.where(found == NONE, LinkedBy.NOTHING, LinkedBy.NESTED).astype(np.uint8)
    by[_parallel_nodes(collected, runs, found)] = LinkedBy.BY_TIME
    return found, by


def _set_afloat(collected: Collected, runs: Runs, afloat: Collection[int], found: Int32s) -> None:
    """Take back that spans of other sources lie in runs of a source whose place is not known, and the reverse."""
    if not afloat:
        return
    source = collected.spans.source
    floats = np.isin(np.arange(len(collected.sources)), list(afloat))
    of_run = source[np.where(runs.hook_span != NONE, runs.hook_span, runs.run_span)]
    held = np.flatnonzero(found != NONE)
    other = of_run[found[held]] != source[held]
    found[held[other & (floats[of_run[found[held]]] | floats[source[held]])]] = NONE


def _parallel_nodes(collected: Collected, runs: Runs, found: Int32s) -> Int32s:
    """Fill `found` for ORT's spans on other threads, where the runs of their session don't overlap. Returns those."""
    spans = collected.spans
    stray = np.flatnonzero((found == NONE) & np.isin(spans.kind, (Kind.ORT_NODE, Kind.ORT_EXECUTE))).astype(np.int32)
    profiled = np.flatnonzero(runs.run_span != NONE)
    for source in np.unique(spans.source[stray]).tolist():
        own = profiled[spans.source[runs.run_span[profiled]] == source]
        start_ns, end_ns = runs.start_ns[own], runs.end_ns[own]
        if len(own) and (start_ns[1:] >= end_ns[:-1]).all():
            of_source = stray[spans.source[stray] == source]
            at = innermost_containing(start_ns, end_ns, spans.start_ns[of_source])
            found[of_source] = np.where(at == NONE, NONE, own[at])
    others: Int32s = stray[found[stray] != NONE]
    return others


def _around(spans: Spans, outer: Int32s, inner: Int32s) -> Int32s:
    """A column of all spans: for the inner ones, the innermost of the outer around their start on the same lane."""
    found = np.full(len(spans), NONE, np.int32)
    found[inner] = containing(spans, outer, inner)
    return found


def _nodes(collected: Collected, node_span: Int32s) -> Int32s:
    node_of_span = np.full(len(node_span) + 1, NONE, np.int32)
    node_of_span[collected.node_spans.span] = collected.node_spans.node
    return node_of_span[node_span]
