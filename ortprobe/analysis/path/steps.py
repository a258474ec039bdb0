"""A loop as steps that can be replayed: what each thread did up to each of its calls, and what the calls set going."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.path.dependencies import Dependencies
from ortprobe.analysis.path.loop import Loop
from ortprobe.analysis.waits.wait_times import WAITING_CALLS, WaitTimes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline, UInt8s, WaitKind
from ortprobe.timeline.cuda_calls import base_name
from ortprobe.timeline.intervals import union


class StepKind(IntEnum):
    """What a step does when its thread comes to it."""

    PASS = 0
    """Nothing that others wait for: a run begins or ends, or a call that a change took out."""
    LAUNCH = 1
    """Sets device work going on a stream."""
    SYNC_STREAM = 2
    """The host waits for all work of a stream."""
    SYNC_DEVICE = 3
    """The host waits for all work of a device."""
    SYNC_WORK = 4
    """The host waits for one piece of work: the one in front of an event."""
    GATE = 5
    """A stream is told to wait for a piece of work."""


class CopyKind(IntEnum):
    """Where a copy goes, and whether its memory on the host is pageable."""

    NONE = 0
    """No copy, or one that stays on devices."""
    PAGEABLE_IN = 1
    PAGEABLE_OUT = 2
    PINNED_IN = 3
    PINNED_OUT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """One entry for each step, in the order in which they began."""

    kind: UInt8s
    """`StepKind`."""
    span: Int32s
    """The CUDA call; NONE for the begin or end of a run."""
    lane: Int32s
    start_ns: Int64s
    before_ns: Int64s
    """What the thread did since its step before: host time."""
    before_from_ns: Int64s
    """When that began."""
    own_ns: Int64s
    """The call itself, without the time it waited."""
    calls: Int32s
    """Calls, operators, nodes and ranges that tracing noted meanwhile, its own included."""
    stream: Int32s
    """LAUNCH, GATE, SYNC_STREAM: number of the stream. SYNC_DEVICE: number of the device, as in `stream_device`. NONE
    otherwise, and where the trace does not say."""
    work_ns: Int64s
    """LAUNCH: how long the work took, from the start of its first piece to the end of its last."""
    latency_ns: Int64s
    """LAUNCH: from the call's start to the work's start on a free stream."""
    room_ns: Int64s
    """LAUNCH: how long the work then waited for room on a device that was busy with other streams' work."""
    copy: UInt8s
    """LAUNCH: what kind of copy it is, as `CopyKind`."""
    size_bytes: Int64s
    """LAUNCH: of copies and fills."""
    node: Int32s
    """LAUNCH: row in `Timeline.nodes` of the work; NONE where it has none."""
    awaited: Int32s
    """SYNC_WORK, GATE: the step that launched the work waited for; NONE when that was before the loop."""
    blocks: Bools
    """LAUNCH: whether the call returns when the work is done."""
    return_ns: Int64s
    """SYNC_… and what blocks: from the end of the work to the call's return."""
    run: Int32s
    """Row in `Timeline.runs`; NONE outside of runs."""
    begins: Bools
    """Of the two steps that a run has besides its calls, whether it is the first."""
    stream_device: Int64s
    """For each stream, the number of its device: its position among those of the capture."""
    free_ns: Int64s
    """For each stream, when the work launched before the loop was done."""

    def __len__(self) -> int:
        return len(self.kind)


_Columns = dict[str, NDArray[Any]]
SYNC_CALL_NS = 4_000
"""A wait that waits for nothing, where the loop holds no example (measured on an H100)."""
_KIND_OF_WAIT = {
    WaitKind.STREAM_SYNC: StepKind.SYNC_STREAM,
    WaitKind.DEVICE_SYNC: StepKind.SYNC_DEVICE,
    WaitKind.EVENT_SYNC: StepKind.SYNC_WORK,
    WaitKind.STREAM_WAIT_EVENT: StepKind.GATE,
}


def build_steps(timeline: Timeline, waits: WaitTimes, dependencies: Dependencies, loop: Loop) -> Steps:
    """The steps of all threads between the loop's start and end."""
    calls, of_streams = _call_steps(timeline, waits, dependencies, loop)
    marks = _run_marks(timeline, loop)
    columns = {name: np.concatenate((calls[name], marks[name])) for name in calls}
    is_call = np.repeat([True, False], (len(calls["span"]), len(marks["span"])))
    order = np.lexsort((is_call, columns["start_ns"]))
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    columns = {name: values[order] for name, values in columns.items()}
    awaited = columns["awaited"]
    columns["awaited"] = np.where(awaited == NONE, NONE, position[awaited]).astype(np.int32)
    begun_ns, before_ns = _since_step_before(columns["lane"], columns["start_ns"], columns.pop("end_ns"), loop)
    counted = _tracer_work(timeline, columns["lane"], begun_ns, columns["start_ns"])
    own = (columns["span"] != NONE).astype(np.int32)
    return Steps(**columns, **of_streams, before_ns=before_ns, before_from_ns=begun_ns, calls=counted + own)


def _call_steps(
    timeline: Timeline, waits: WaitTimes, dependencies: Dependencies, loop: Loop
) -> tuple[_Columns, _Columns]:
    spans, ops = timeline.spans, timeline.device_ops
    launch = timeline.links.launch[ops.span]
    inside = (launch != NONE) & (dependencies.launch_ns >= loop.start_ns) & (dependencies.launch_ns < loop.end_ns)
    streams, stream_of = np.unique(np.stack([ops.device, ops.stream]), axis=1, return_inverse=True)
    free_ns = np.zeros(streams.shape[1], np.int64)
    earlier = ~inside & (dependencies.launch_ns < loop.start_ns)
    np.maximum.at(free_ns, stream_of[earlier], spans.end_ns[ops.span[earlier]])
    launches, first, owner = np.unique(launch[inside], return_index=True, return_inverse=True)
    work_start_ns, work_end_ns = np.full(len(launches), 2**62), np.zeros(len(launches), np.int64)
    np.minimum.at(work_start_ns, owner, spans.start_ns[ops.span[inside]])
    np.maximum.at(work_end_ns, owner, spans.end_ns[ops.span[inside]])
    host_waits, sync = _sync_steps(timeline, waits, loop, launches, (streams, stream_of))
    call = np.concatenate((launches, host_waits)).astype(np.int32)
    blocking = np.isin(launches, waits.span[waits.by_host & (waits.work != NONE)])
    # A call that returns with its work done has not done anything else for longer than a call that doesn't.
    own_ns = spans.duration_ns[launches]
    own_ns = np.where(blocking, np.minimum(own_ns, _typical(own_ns[~blocking], SYNC_CALL_NS)), own_ns)
    none, rest = np.full(len(launches), NONE, np.int32), len(host_waits)
    work = ops.span[inside][first]
    columns: _Columns = {
        "kind": np.concatenate((np.full(len(launches), StepKind.LAUNCH), sync["kind"])).astype(np.uint8),
        "span": call,
        "lane": spans.lane[call],
        "start_ns": spans.start_ns[call],
        "end_ns": spans.end_ns[call],
        "own_ns": np.concatenate((own_ns, sync["own_ns"])),
        "stream": np.concatenate((stream_of[inside][first], sync["stream"])).astype(np.int32),
        "work_ns": np.concatenate((work_end_ns - work_start_ns, np.zeros(rest, np.int64))),
        "latency_ns": np.concatenate((dependencies.launch_latency_ns[inside][first], np.zeros(rest, np.int64))),
        "room_ns": np.concatenate((_room_ns(timeline, dependencies)[inside][first], np.zeros(rest, np.int64))),
        "copy": np.concatenate((_copy_kinds(timeline)[spans.name[work]], np.zeros(rest, np.uint8))),
        "size_bytes": np.concatenate((ops.size_bytes[inside][first], np.zeros(rest, np.int64))),
        "node": np.concatenate((timeline.links.node[work], np.full(rest, NONE, np.int32))),
        "awaited": np.concatenate((none, sync["awaited"])).astype(np.int32),
        "blocks": np.concatenate((blocking, np.zeros(rest, np.bool_))),
        "return_ns": _return_ns(timeline, waits, call, dependencies.latencies.return_ns),
        "run": timeline.links.run[call],
        "begins": np.zeros(len(call), np.bool_),
    }
    device = np.unique(streams[0], return_inverse=True)[1].astype(np.int64)
    return columns, {"free_ns": free_ns, "stream_device": device}


def _return_ns(timeline: Timeline, waits: WaitTimes, call: Int32s, usual_ns: int) -> Int64s:
    """How long each call took to return after it had waited; as long as is usual for those that did not wait."""
    spans = timeline.spans
    stalled = waits.by_host & (waits.stall_ns > 0) & (waits.work != NONE) & (waits.call != NONE)
    took_ns = np.full(len(spans), NONE, np.int64)
    took_ns[waits.call[stalled]] = np.maximum(waits.end_ns[stalled] - spans.end_ns[waits.work[stalled]], 0)
    return np.where(took_ns[call] == NONE, usual_ns, took_ns[call])


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


def _sync_steps(
    timeline: Timeline, waits: WaitTimes, loop: Loop, launches: Int32s, streams: tuple[Int64s, Int64s]
) -> tuple[Int32s, _Columns]:
    """Waits that the trace resolves, other than blocking copies. An unresolved one is host time like any other."""
    spans = timeline.spans
    kinds = np.array([WAITING_CALLS.get(base_name(name), NONE) for name in timeline.names], np.int64)
    call = np.where(waits.call == NONE, waits.span, waits.call)
    chosen = np.flatnonzero((spans.start_ns[call] >= loop.start_ns) & (spans.start_ns[call] < loop.end_ns))
    chosen = chosen[(waits.stall_ns[chosen] != NONE) & (waits.call[chosen] != NONE)]
    chosen = chosen[kinds[spans.name[call[chosen]]] != NONE]
    kind = np.array([_KIND_OF_WAIT[WaitKind(each)] for each in kinds[spans.name[call[chosen]]].tolist()], np.int64)
    duration_ns, stall_ns = spans.duration_ns[call[chosen]], waits.stall_ns[chosen]
    idle_ns = _typical(duration_ns[(stall_ns == 0) & (kind != StepKind.GATE)], SYNC_CALL_NS)
    stalled = (stall_ns > 0) & (kind != StepKind.GATE)
    work = waits.work[chosen]
    launch_of_work = np.where(work == NONE, NONE, timeline.links.launch[work])
    awaited = np.searchsorted(launches, launch_of_work)
    known = (awaited < len(launches)) & (launch_of_work != NONE)
    known[known] = launches[awaited[known]] == launch_of_work[known]
    return call[chosen].astype(np.int32), {
        "kind": kind,
        "own_ns": np.where(stalled, np.minimum(duration_ns, idle_ns), duration_ns),
        "stream": np.where(
            kind == StepKind.SYNC_DEVICE,
            _position(waits.device[chosen], np.unique(streams[0][0])),
            _stream_of_waits(timeline, waits, chosen, streams),
        ),
        "awaited": np.where(known, awaited, NONE),
    }


def _position(values: Int32s, among: Int64s) -> Int64s:
    """Where each value is in the sorted `among`; NONE for those that are not in it."""
    row = np.searchsorted(among, values)
    found = row < len(among)
    found[found] = among[row[found]] == values[found]
    return np.where(found, row, NONE)


def _stream_of_waits(timeline: Timeline, waits: WaitTimes, chosen: Int64s, streams: tuple[Int64s, Int64s]) -> Int64s:
    """The stream that a SYNC_STREAM waits for, or that a GATE holds, by its number; NONE where it had no work."""
    records = timeline.waits
    row = np.searchsorted(records.span, waits.span[chosen])
    row = np.minimum(row, len(records.span) - 1) if len(records.span) else row
    found = np.full(len(chosen), NONE, np.int64)
    if not len(records.span):
        return found
    recorded = records.span[row] == waits.span[chosen]
    number = {(int(device), int(stream)): at for at, (device, stream) in enumerate(streams[0].T.tolist())}
    keys = zip(records.device[row].tolist(), records.stream[row].tolist(), strict=True)
    found[:] = [number.get(key, NONE) if known else NONE for key, known in zip(keys, recorded.tolist(), strict=True)]
    return found


def _run_marks(timeline: Timeline, loop: Loop) -> _Columns:
    """The begin and end of every run that lies in the loop, and the loop's own end on its thread."""
    runs = timeline.runs
    rows = np.flatnonzero((runs.start_ns >= loop.start_ns) & (runs.end_ns <= loop.end_ns))
    at_ns = np.concatenate((runs.start_ns[rows], runs.end_ns[rows], [loop.end_ns]))
    count = len(at_ns)
    nothing, zero = np.full(count, NONE, np.int32), np.zeros(count, np.int64)
    return {
        "kind": np.full(count, StepKind.PASS, np.uint8),
        "span": nothing,
        "lane": np.concatenate((runs.lane[rows], runs.lane[rows], [loop.lane])).astype(np.int32),
        "start_ns": at_ns,
        "end_ns": at_ns,
        "own_ns": zero,
        "stream": nothing,
        "work_ns": zero,
        "latency_ns": zero,
        "room_ns": zero,
        "copy": np.zeros(count, np.uint8),
        "size_bytes": zero,
        "node": nothing,
        "awaited": nothing,
        "blocks": np.zeros(count, np.bool_),
        "return_ns": zero,
        "run": np.concatenate((rows, rows, [NONE])).astype(np.int32),
        "begins": np.repeat([True, False], (len(rows), len(rows) + 1)),
    }


def _since_step_before(lane: Int32s, start_ns: Int64s, end_ns: Int64s, loop: Loop) -> tuple[Int64s, Int64s]:
    """(when the thread was done with its step before, how long ago that is); for a thread's first step the loop's
    start."""
    begun_ns = np.full(len(lane), loop.start_ns, np.int64)
    order = np.argsort(lane, kind="stable")
    same = lane[order][1:] == lane[order][:-1]
    begun_ns[order[1:][same]] = end_ns[order[:-1][same]]
    begun_ns = np.minimum(begun_ns, start_ns)
    return begun_ns, start_ns - begun_ns


_NOTED = (Kind.CUDA_CALL, Kind.ORT_NODE, Kind.TORCH_OP, Kind.ANNOTATION, Kind.HOOK)
"""What CUPTI, ORT's profile, torch's profiler and the hooks note while a thread runs."""


def _tracer_work(timeline: Timeline, lane: Int32s, from_ns: Int64s, to_ns: Int64s) -> Int32s:
    """How many spans of the thread that somebody noted while it ran began in each stretch."""
    spans = timeline.spans
    noted = spans.of_kind(*_NOTED)
    counts = np.zeros(len(lane), np.int32)
    for thread in np.unique(lane).tolist():
        starts_ns = spans.start_ns[noted[spans.lane[noted] == thread]]
        mine = lane == thread
        counts[mine] = np.searchsorted(starts_ns, to_ns[mine]) - np.searchsorted(starts_ns, from_ns[mine])
    return counts


def _typical(values: Int64s, otherwise: int) -> int:
    return int(np.median(values)) if len(values) else otherwise
