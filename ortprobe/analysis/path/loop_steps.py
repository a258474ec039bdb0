"""The steps of a loop, out of its timeline: launches with their work, waits, and the begin and end of runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.path.dependencies import Dependencies
from ortprobe.analysis.path.loop import Loop
from ortprobe.analysis.path.steps import Columns, CopyKind, StepKind, Steps, join_steps
from ortprobe.analysis.waits.wait_times import WAITING_CALLS, WaitTimes
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline, UInt8s, WaitKind
from ortprobe.timeline.cuda_calls import base_name
from ortprobe.timeline.intervals import union

SYNC_CALL_NS = 4_000
"""A wait that waits for nothing, where the loop holds no example (measured on an H100)."""
_KIND_OF_WAIT = {
    WaitKind.STREAM_SYNC: StepKind.SYNC_STREAM,
    WaitKind.DEVICE_SYNC: StepKind.SYNC_DEVICE,
    WaitKind.EVENT_SYNC: StepKind.SYNC_WORK,
    WaitKind.STREAM_WAIT_EVENT: StepKind.GATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streams:
    """The streams of the capture that have work, numbered in the order of their devices and ids."""

    device: Int64s
    stream: Int64s
    of_work: Int64s
    """For each row of `device_ops` the number of its stream."""

    @classmethod
    def of(cls, timeline: Timeline) -> _Streams:
        ops = timeline.device_ops
        keys, number = np.unique(np.stack([ops.device, ops.stream]), axis=1, return_inverse=True)
        return cls(device=keys[0], stream=keys[1], of_work=number.reshape(-1))


def build_steps(timeline: Timeline, waits: WaitTimes, dependencies: Dependencies, loop: Loop) -> Steps:
    """The steps of all threads between the loop's start and end."""
    spans, ops = timeline.spans, timeline.device_ops
    streams, launch_ns = _Streams.of(timeline), dependencies.launch_ns
    inside = np.flatnonzero((launch_ns >= loop.start_ns) & (launch_ns < loop.end_ns))
    free_ns = np.zeros(len(streams.device), np.int64)
    earlier = (launch_ns < loop.start_ns) & ((launch_ns != NONE) | (spans.start_ns[ops.span] < loop.start_ns))
    np.maximum.at(free_ns, streams.of_work[earlier], spans.end_ns[ops.span[earlier]])
    returns_ns = _return_ns(timeline, waits, dependencies.latencies.return_ns)
    launches = _launch_steps(timeline, waits, dependencies, streams, inside)
    parts = (launches, _wait_steps(timeline, waits, loop, launches["span"], streams), _run_marks(timeline, loop))
    for part in parts:
        part["return_ns"] = np.where(part["span"] == NONE, 0, returns_ns[part["span"]])
    _, device = np.unique(streams.device, return_inverse=True)
    return join_steps(timeline, parts, begin_ns=loop.start_ns, free_ns=free_ns, stream_device=device.astype(np.int64))


def _launch_steps(
    timeline: Timeline, waits: WaitTimes, dependencies: Dependencies, streams: _Streams, inside: Int64s
) -> Columns:
    """One step for each call that launched some of the work in these rows of `device_ops`, by span."""
    spans, ops = timeline.spans, timeline.device_ops
    work = ops.span[inside]
    call, first, owner = np.unique(timeline.links.launch[work], return_index=True, return_inverse=True)
    begun_ns, ended_ns = np.full(len(call), np.iinfo(np.int64).max), np.zeros(len(call), np.int64)
    np.minimum.at(begun_ns, owner, spans.start_ns[work])
    np.maximum.at(ended_ns, owner, spans.end_ns[work])
    blocks = np.isin(call, waits.span[waits.by_host & (waits.work != NONE)])
    # A call that returns with its work done has not done anything else for longer than a call that doesn't.
    own_ns = spans.duration_ns[call]
    own_ns = np.where(blocks, np.minimum(own_ns, _typical(own_ns[~blocks], SYNC_CALL_NS)), own_ns)
    row = inside[first]
    return {
        **_of_calls(timeline, call, np.full(len(call), StepKind.LAUNCH)),
        "own_ns": own_ns,
        "stream": streams.of_work[row].astype(np.int32),
        "work_ns": ended_ns - begun_ns,
        "latency_ns": dependencies.launch_latency_ns[row],
        "room_ns": _room_ns(timeline, dependencies)[row],
        "copy": _copy_kinds(timeline)[spans.name[work[first]]],
        "size_bytes": ops.size_bytes[row],
        "node": timeline.links.node[work[first]],
        "blocks": blocks,
    }


def _of_calls(timeline: Timeline, call: Int32s, kind: Int64s) -> Columns:
    spans = timeline.spans
    return {
        "kind": kind.astype(np.uint8),
        "span": call.astype(np.int32),
        "lane": spans.lane[call],
        "start_ns": spans.start_ns[call],
        "end_ns": spans.end_ns[call],
        "run": timeline.links.run[call],
    }


def _return_ns(timeline: Timeline, waits: WaitTimes, usual_ns: int) -> Int64s:
    """For each span, as a call that waits: how long it took to return after its wait was over; as long as is usual for
    calls that did not have to wait."""
    spans = timeline.spans
    stalled = waits.by_host & (waits.stall_ns > 0) & (waits.work != NONE) & (waits.call != NONE)
    took_ns = np.full(len(spans), usual_ns, np.int64)
    took_ns[waits.call[stalled]] = np.maximum(waits.end_ns[stalled] - spans.end_ns[waits.work[stalled]], 0)
    return took_ns


def _copy_kinds(timeline: Timeline) -> UInt8s:
    """Of each name, by what Kineto writes: `Memcpy HtoD (Pageable -> Device)`."""
    kinds = {
        ("HtoD", True): CopyKind.PAGEABLE_IN,
        ("DtoH", True): CopyKind.PAGEABLE_OUT,
        ("HtoD", False): CopyKind.PINNED_IN,
        ("DtoH", False): CopyKind.PINNED_OUT,
    }
    found = [
        kinds.get((name[7:11], "Pageable" in name), CopyKind.NONE) if name.startswith("Memcpy ") else CopyKind.NONE
        for name in timeline.names
    ]
    return np.array(found, np.uint8)


def _room_ns(timeline: Timeline, dependencies: Dependencies) -> Int64s:
    """For each row of `device_ops`: late work was short of room if something ran on its device all the while."""
    ops, spans = timeline.device_ops, timeline.spans
    start_ns, late_ns = spans.start_ns[ops.span], np.maximum(dependencies.late_ns, 0)
    crowded = np.zeros(len(start_ns), np.bool_)
    for device in np.unique(ops.device).tolist():
        mine = ops.device == device
        busy = union(start_ns[mine], spans.end_ns[ops.span[mine]])
        meanwhile_ns = covered_ns(busy, (start_ns[mine] - late_ns[mine], start_ns[mine]))
        crowded[mine] = meanwhile_ns == late_ns[mine]
    return np.where(crowded, late_ns, 0)


def _wait_steps(timeline: Timeline, waits: WaitTimes, loop: Loop, launches: Int32s, streams: _Streams) -> Columns:
    """Waits that the trace resolves, other than blocking copies. An unresolved one is host time like any other."""
    spans = timeline.spans
    kinds = np.array([WAITING_CALLS.get(base_name(name), NONE) for name in timeline.names], np.int64)
    called = (waits.call != NONE) & (waits.stall_ns != NONE) & (kinds[spans.name[waits.call]] != NONE)
    start_ns = spans.start_ns[waits.call]
    chosen = np.flatnonzero(called & (start_ns >= loop.start_ns) & (start_ns < loop.end_ns))
    call = waits.call[chosen]
    kind = np.array([_KIND_OF_WAIT[WaitKind(each)] for each in kinds[spans.name[call]].tolist()], np.int64)
    is_gate = kind == StepKind.GATE
    duration_ns, stall_ns, work = spans.duration_ns[call], waits.stall_ns[chosen], waits.work[chosen]
    at_once_ns = _typical(duration_ns[(stall_ns == 0) & ~is_gate], SYNC_CALL_NS)
    stalled = (stall_ns > 0) & ~is_gate
    return {
        **_of_calls(timeline, call, kind),
        "own_ns": np.where(stalled, np.minimum(duration_ns, at_once_ns), duration_ns),
        "stream": np.where(
            kind == StepKind.SYNC_DEVICE,
            _position(waits.device[chosen], np.unique(streams.device)),
            _stream_of_waits(timeline, waits.span[chosen], streams),
        ).astype(np.int32),
        "awaited": _position(np.where(work == NONE, NONE, timeline.links.launch[work]), launches).astype(np.int32),
    }


def _position(values: Int32s, among: Int64s | Int32s) -> Int64s:
    """Where each value is in the sorted `among`; NONE for those that are not in it."""
    row = np.searchsorted(among, values)
    found = row < len(among)
    found[found] = among[row[found]] == values[found]
    return np.where(found, row, NONE)


def _stream_of_waits(timeline: Timeline, spans: Int32s, streams: _Streams) -> Int64s:
    """The stream that a SYNC_STREAM waits for, or that a GATE holds, by its number; NONE where it had no work, and for
    waits without a record."""
    records = timeline.waits
    row = _position(spans, records.span)
    number = {key: at for at, key in enumerate(zip(streams.device.tolist(), streams.stream.tolist(), strict=True))}
    numbers = [number.get(key, NONE) for key in zip(records.device.tolist(), records.stream.tolist(), strict=True)]
    return np.array([*numbers, NONE], np.int64)[row]


def _run_marks(timeline: Timeline, loop: Loop) -> Columns:
    """The begin and end of every run that lies in the loop, and the loop's own end on its thread."""
    runs = timeline.runs
    rows = np.flatnonzero((runs.start_ns >= loop.start_ns) & (runs.end_ns <= loop.end_ns))
    at_ns = np.concatenate((runs.start_ns[rows], runs.end_ns[rows], [loop.end_ns]))
    return {
        "kind": np.full(len(at_ns), StepKind.PASS, np.uint8),
        "span": np.full(len(at_ns), NONE, np.int32),
        "lane": np.concatenate((runs.lane[rows], runs.lane[rows], [loop.lane])).astype(np.int32),
        "start_ns": at_ns,
        "end_ns": at_ns,
        "run": np.concatenate((rows, rows, [NONE])).astype(np.int32),
        "own_ns": np.zeros(len(at_ns), np.int64),
        "begins": np.repeat([True, False], (len(rows), len(rows) + 1)),
    }


def _typical(values: Int64s, otherwise: int) -> int:
    return int(np.median(values)) if len(values) else otherwise
