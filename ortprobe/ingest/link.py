"""What belongs to what: device work → launch → ONNX node → run.

A launch belongs to the innermost node span on its thread; device work belongs to its launch by correlation id.
"""

from __future__ import annotations

import numpy as np

from ortprobe.ingest.builder import Collected
from ortprobe.ingest.transfer import transfer_nodes
from ortprobe.timeline import DEVICE_WORK, NONE, Int32s, Kind, Links, Runs
from ortprobe.timeline.intervals import innermost_containing

_HOST_KINDS = (
    Kind.HOOK, Kind.ORT_LOAD, Kind.ORT_INITIALIZE, Kind.ORT_RUN, Kind.ORT_EXECUTE, Kind.ORT_NODE, Kind.TORCH_OP,
    Kind.ANNOTATION, Kind.PYTHON, Kind.CUDA_CALL, Kind.OVERHEAD, Kind.OTHER,
)  # fmt: skip
_LAUNCHED = (*DEVICE_WORK, Kind.WAIT, Kind.EVENT_RECORD)


def link(collected: Collected, runs: Runs) -> Links:
    """All links of a timeline."""
    launch = _launches(collected)
    launched = launch != NONE
    run = _runs_on_host(collected, runs)
    run[launched] = run[launch[launched]]
    node_span = _node_spans(collected)
    node_span[launched] = node_span[launch[launched]]
    node = _nodes(collected, node_span)
    is_work = np.isin(collected.spans.kind, DEVICE_WORK)
    transfer_nodes(collected, runs, run, node, is_work & launched)
    return Links(launch=launch, node=node, node_span=node_span, run=run)


def _launches(collected: Collected) -> Int32s:
    """By (source, correlation id): ids are unique in a process, and a bundle may hold traces of several."""
    spans = collected.spans
    launch = np.full(len(spans), NONE, np.int32)
    calls = spans.of_kind(Kind.CUDA_CALL)
    calls = calls[spans.correlation[calls] > 0]
    launched = spans.of_kind(*_LAUNCHED)
    launched = launched[spans.correlation[launched] > 0]
    if not len(calls):
        return launch
    keys = spans.source.astype(np.int64) << 40 | spans.correlation
    order = calls[np.argsort(keys[calls], kind="stable")]
    at = np.minimum(np.searchsorted(keys[order], keys[launched]), len(order) - 1)
    found = keys[order[at]] == keys[launched]
    launch[launched[found]] = order[at[found]]
    return launch


def _runs_on_host(collected: Collected, runs: Runs) -> Int32s:
    """Host spans that start inside a run on the run's thread; ORT's own spans on other threads of a parallel run."""
    spans = collected.spans
    found = np.full(len(spans), NONE, np.int32)
    host = np.isin(spans.kind, _HOST_KINDS)
    for lane in np.unique(runs.lane).tolist():
        own, of_lane = np.flatnonzero(runs.lane == lane), np.flatnonzero(host & (spans.lane == lane))
        at = innermost_containing(runs.start_ns[own], runs.end_ns[own], spans.start_ns[of_lane])
        found[of_lane] = np.where(at == NONE, NONE, own[at])
    _parallel_nodes(collected, runs, found)
    return found


def _parallel_nodes(collected: Collected, runs: Runs, found: Int32s) -> None:
    spans = collected.spans
    stray = np.flatnonzero((found == NONE) & np.isin(spans.kind, (Kind.ORT_NODE, Kind.ORT_EXECUTE)))
    profiled = np.flatnonzero(runs.run_span != NONE)
    for source in np.unique(spans.source[stray]).tolist():
        own = profiled[spans.source[runs.run_span[profiled]] == source]
        start_ns, end_ns = runs.start_ns[own], runs.end_ns[own]
        if len(own) and (start_ns[1:] >= end_ns[:-1]).all():
            of_source = stray[spans.source[stray] == source]
            at = innermost_containing(start_ns, end_ns, spans.start_ns[of_source])
            found[of_source] = np.where(at == NONE, NONE, own[at])


def _node_spans(collected: Collected) -> Int32s:
    """For CUDA calls: the innermost node span around their start on the same thread. For nodes: themselves."""
    spans = collected.spans
    found = np.full(len(spans), NONE, np.int32)
    nodes, calls = collected.node_spans.span, spans.of_kind(Kind.CUDA_CALL)
    found[nodes] = nodes
    for lane in np.unique(spans.lane[nodes]).tolist():
        own, of_lane = nodes[spans.lane[nodes] == lane], calls[spans.lane[calls] == lane]
        at = innermost_containing(spans.start_ns[own], spans.end_ns[own], spans.start_ns[of_lane])
        found[of_lane] = np.where(at == NONE, NONE, own[at])
    return found


def _nodes(collected: Collected, node_span: Int32s) -> Int32s:
    node_of_span = np.full(len(node_span), NONE, np.int32)
    node_of_span[collected.node_spans.span] = collected.node_spans.node
    return np.where(node_span == NONE, NONE, node_of_span[node_span]).astype(np.int32)
