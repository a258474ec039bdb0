"""What a thread did while a session was created, or a run or a node executed, every nanosecond in one part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.idle.host_activity import ALLOCATIONS, LOADING_CALLS, LOADING_OVERHEAD
from ortprobe.analysis.idle.pieces import Pieces, Segments, split
from ortprobe.analysis.waits.wait_times import WAITING_CALLS
from ortprobe.timeline import NONE, Int32s, Int64s, Kind, Timeline, UInt8s, WaitKind
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES, KERNEL_LAUNCHES, base_name
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import innermost_containing, union


class HostPart(StrEnum):
    """What the thread was in, by the innermost span around it: a CUDA call or a record of CUPTI, else `HOST_CODE`."""

    MODULE_LOADING = "module-loading"
    """CUDA loads code: CUPTI's records of it, and the calls that ask about a function or load a library."""
    LAUNCH = "launch"
    """A call that launches a kernel or a graph. The first launch of a kernel loads what CUPTI records nothing of."""
    ALLOCATION = "allocation"
    COPY = "copy"
    """A call that copies or fills memory: while a session is created, uploading weights."""
    WAIT = "wait"
    """A call that waits for the GPU."""
    HANDLE = "handle"
    """Creating streams and events: a cuBLAS handle makes 16 streams (seen with ORT 1.31.1 on an H100)."""
    CUDA_GRAPH = "cuda-graph"
    """Capturing and instantiating CUDA graphs: those of the session, and those that cuDNN 9 makes for each plan."""
    CUDA_CALL = "cuda-call"
    """Any other CUDA call."""
    PROFILER = "profiler"
    """CUPTI's own work."""
    NODE_BEFORE_LAUNCH = "node-before-launch"
    """Host code of an ONNX node before its first work on the GPU, in no CUDA call. What it does is inferred: libraries
    loaded, handles and plans made, and what the driver does before it calls a launch a call."""
    NODE = "node"
    """Other host code of an ONNX node, in no CUDA call: after its first launch, on the CPU, or without a GPU trace."""
    ORT = "ort"
    """onnxruntime's host code outside of nodes."""
    OUTSIDE = "outside"
    """In no span of these: Python, hooks; while a session is created, all host code."""


PARTS = tuple(HostPart)
"""Columns name a part by its position in here."""

HOST_CODE = (HostPart.NODE_BEFORE_LAUNCH, HostPart.NODE, HostPart.ORT, HostPart.OUTSIDE)
"""In no CUDA call."""

COPIES = ("cudaMemcpy", "cudaMemset", "cuMemcpy", "cuMemset")
HANDLES = ("cudaStreamCreate", "cudaEventCreate", "cuStreamCreate", "cuEventCreate")
GRAPHS = ("cudaGraph", "cuGraph", "cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaStreamIsCapturing")
"""`COPIES`, `HANDLES`, `GRAPHS`: starts of names."""

_PART_OF_START: tuple[tuple[tuple[str, ...], HostPart], ...] = (
    (COPIES, HostPart.COPY),
    ((*KERNEL_LAUNCHES, *GRAPH_LAUNCHES), HostPart.LAUNCH),
    (ALLOCATIONS, HostPart.ALLOCATION),
    (LOADING_CALLS, HostPart.MODULE_LOADING),
    (HANDLES, HostPart.HANDLE),
    (GRAPHS, HostPart.CUDA_GRAPH),
)
"""The first that fits counts."""
_PART_OF_KIND: Mapping[Kind, HostPart] = {
    Kind.ORT_NODE: HostPart.NODE,
    Kind.ORT_EXECUTE: HostPart.ORT,
    Kind.ORT_RUN: HostPart.ORT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """Stretches of threads: what is to be divided. Columns of equal length."""

    lane: Int32s
    """Index in `Timeline.lanes`: the thread."""
    start_ns: Int64s
    end_ns: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPieces:
    """Disjoint pieces that fill the stretches. Columns of equal length."""

    stretch: Int32s
    """Row of the stretch it is a piece of."""
    start_ns: Int64s
    length_ns: Int64s
    part: UInt8s
    """Position in `PARTS`."""
    because: Int32s
    """The span that it lies in; NONE outside of all."""

    def by_part(self, stretches: int) -> Int64s:
        """Length in ns, shape (stretches, parts). A row sums to the length of its stretch."""
        sums = np.zeros((stretches, len(PARTS)), np.int64)
        np.add.at(sums, (self.stretch, self.part), self.length_ns)
        return sums


def host_pieces(timeline: Timeline, stretches: Stretches) -> HostPieces:
    """Cut each stretch along the spans of its thread, the innermost counting."""
    overhead, overhead_lane = _overhead(timeline, stretches)
    parts = []
    for lane, rows in rows_by_value(stretches.lane):
        whole = Pieces.whole(stretches.start_ns[rows], stretches.end_ns[rows])
        chosen = np.concatenate((_spans_of(timeline, lane, whole), overhead[overhead_lane == lane]))
        chosen.sort(kind="stable")
        segments = Segments.of(timeline.spans, [chosen], np.zeros(len(timeline.spans), np.uint8))
        pieces = split(whole, segments)
        parts.append((rows[pieces.gap], pieces))
    if not parts:
        nothing = np.zeros(0, np.int32)
        no_time = nothing.astype(np.int64)
        return HostPieces(
            stretch=nothing, start_ns=no_time, length_ns=no_time, part=nothing.astype(np.uint8), because=nothing
        )
    because = np.concatenate([pieces.because for _, pieces in parts])
    start_ns = np.concatenate([pieces.start_ns for _, pieces in parts])
    return HostPieces(
        stretch=np.concatenate([stretch for stretch, _ in parts]).astype(np.int32),
        start_ns=start_ns,
        length_ns=np.concatenate([pieces.end_ns for _, pieces in parts]) - start_ns,
        part=_parts(timeline, because, start_ns),
        because=because,
    )


def _spans_of(timeline: Timeline, lane: int, whole: Pieces) -> Int64s:
    """Spans of the thread that say what it did in one of the stretches."""
    mine = np.flatnonzero(timeline.spans.lane == lane)
    mine = mine[np.isin(timeline.spans.kind[mine], (Kind.CUDA_CALL, *_PART_OF_KIND))]
    return _reaching_into(timeline, mine, whole.start_ns, whole.end_ns)


def _reaching_into(timeline: Timeline, chosen: Int64s, start_ns: Int64s, end_ns: Int64s) -> Int64s:
    """Those of some spans that share time with one of the stretches."""
    spans = timeline.spans
    first_ns, last_ns = union(start_ns, end_ns)
    over = np.searchsorted(last_ns, spans.start_ns[chosen], side="right")
    return np.asarray(chosen[over < np.searchsorted(first_ns, spans.end_ns[chosen], side="left")], np.int64)


def _overhead(timeline: Timeline, stretches: Stretches) -> tuple[Int64s, Int32s]:
    """CUPTI's records and the thread each belongs to, which CUPTI does not say: that of the CUDA call around it; where
    there is none, that of the stretch around it, if nothing else was created or run meanwhile."""
    spans = timeline.spans
    overhead, calls = (
        _reaching_into(timeline, spans.of_kind(kind).astype(np.int64), stretches.start_ns, stretches.end_ns)
        for kind in (Kind.OVERHEAD, Kind.CUDA_CALL)
    )
    middle_ns = (spans.start_ns[overhead] + spans.end_ns[overhead]) // 2
    calls = _reaching_into(timeline, calls, middle_ns, middle_ns + 1)
    lane = _lanes_of_calls(timeline, calls, middle_ns)
    order = np.lexsort((-stretches.end_ns, stretches.start_ns))
    around = innermost_containing(stretches.start_ns[order], stretches.end_ns[order], middle_ns)
    adopted = (lane == NONE) & (around != NONE) & (_going_on(timeline, middle_ns) == 1)
    lane[adopted] = stretches.lane[order[around[adopted]]]
    return overhead, lane


def _lanes_of_calls(timeline: Timeline, calls: Int64s, points_ns: Int64s) -> Int32s:
    """The thread in a call at each point; of several, the one whose call began last; NONE where there is none."""
    spans = timeline.spans
    lane, began_ns = np.full(len(points_ns), NONE, np.int32), np.zeros(len(points_ns), np.int64)
    for each, rows in rows_by_value(spans.lane[calls]):
        own = calls[rows]
        call = innermost_containing(spans.start_ns[own], spans.end_ns[own], points_ns)
        later = (call != NONE) & (spans.start_ns[own[call]] > began_ns)
        lane[later], began_ns[later] = each, spans.start_ns[own[call[later]]]
    return lane


def _going_on(timeline: Timeline, points_ns: Int64s) -> Int64s:
    """How many runs and creations of sessions there are at each point."""
    runs, sessions = timeline.runs, timeline.sessions
    start_ns = np.concatenate((runs.start_ns, np.array([session.start_ns for session in sessions], np.int64)))
    end_ns = np.concatenate((runs.end_ns, np.array([session.end_ns for session in sessions], np.int64)))
    begun, ended = (np.searchsorted(np.sort(times), points_ns, side="right") for times in (start_ns, end_ns))
    return np.asarray(begun - ended, np.int64)


def _parts(timeline: Timeline, because: Int32s, start_ns: Int64s) -> UInt8s:
    spans = timeline.spans
    part = np.full(len(because), PARTS.index(HostPart.OUTSIDE), np.uint8)
    within = because != NONE
    names = max(len(timeline.names), 1)
    kind_and_name = (spans.kind[because].astype(np.int64) * names + spans.name[because])[within]
    of_pair = np.zeros(names * len(Kind), np.uint8)
    for pair in _distinct(kind_and_name, len(of_pair)).tolist():
        kind, name = divmod(pair, names)
        of_pair[pair] = PARTS.index(_part_of(Kind(kind), timeline.names[name]))
    part[within] = of_pair[kind_and_name]
    in_node = np.flatnonzero(part == PARTS.index(HostPart.NODE))
    before = start_ns[in_node] < _first_launches_ns(timeline, because[in_node])
    part[in_node[before]] = PARTS.index(HostPart.NODE_BEFORE_LAUNCH)
    return part


def _part_of(kind: Kind, name: str) -> HostPart:
    if kind is Kind.OVERHEAD:
        return HostPart.MODULE_LOADING if any(each in name for each in LOADING_OVERHEAD) else HostPart.PROFILER
    if kind is not Kind.CUDA_CALL:
        return _PART_OF_KIND[kind]
    base = base_name(name)
    if WAITING_CALLS.get(base, WaitKind.STREAM_WAIT_EVENT) is not WaitKind.STREAM_WAIT_EVENT:
        return HostPart.WAIT
    return next((part for starts, part in _PART_OF_START if base.startswith(starts)), HostPart.CUDA_CALL)


def _first_launches_ns(timeline: Timeline, node_span: Int32s) -> Int64s:
    """When each execution of a node began to launch work that the trace holds; 0 for one
    that launched none.

    Launches that cuDNN captures into graphs while it makes a plan leave no work, and do not count.
    """
    spans, links, ops = timeline.spans, timeline.links, timeline.device_ops.span
    distinct = _distinct(node_span, len(spans))
    wanted = np.zeros(len(spans) + 1, np.bool_)
    wanted[distinct] = True
    ops = ops[wanted[links.node_span[ops]] & (links.node_span[ops] != NONE) & (links.launch[ops] != NONE)]
    never = np.iinfo(np.int64).max
    first_ns = np.full(len(distinct), never, np.int64)
    np.minimum.at(first_ns, np.searchsorted(distinct, links.node_span[ops]), spans.start_ns[links.launch[ops]])
    return np.where(first_ns == never, 0, first_ns)[np.searchsorted(distinct, node_span)]


def _distinct(values: Int64s | Int32s, below: int) -> Int64s:
    """Distinct values, rising, of many that are small: numpy's `unique` hashes them, at several times the cost."""
    there = np.zeros(below, np.bool_)
    there[values] = True
    return np.flatnonzero(there)
