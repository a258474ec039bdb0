"""A loop as steps that can be replayed: what each thread did up to each of its calls, and what the calls set going."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline, UInt8s


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


Columns = dict[str, NDArray[Any]]
"""Columns of `Steps`, and `end_ns`: when the thread was done with a step."""

_DEFAULTS: dict[str, tuple[int, type]] = {
    "stream": (NONE, np.int32), "work_ns": (0, np.int64), "latency_ns": (0, np.int64), "room_ns": (0, np.int64),
    "copy": (CopyKind.NONE, np.uint8), "size_bytes": (0, np.int64), "node": (NONE, np.int32),
    "awaited": (NONE, np.int32), "blocks": (False, np.bool_), "return_ns": (0, np.int64), "begins": (False, np.bool_),
}  # fmt: skip
"""What steps have in columns that only some of them need."""
_NOTED = (Kind.CUDA_CALL, Kind.ORT_NODE, Kind.TORCH_OP, Kind.ANNOTATION, Kind.HOOK)
"""What CUPTI, ORT's profile, torch's profiler and the hooks note while a thread runs."""


def join_steps(
    timeline: Timeline, parts: Sequence[Columns], *, begin_ns: int, free_ns: Int64s, stream_device: Int64s
) -> Steps:
    """Steps of all parts in time order, the begin and end of a run before a call of the same moment.

    Where a column is missing from a part, its steps don't need it. `awaited` counts within the first part.
    """
    columns = _filled(parts)
    order = np.lexsort((columns["span"] != NONE, columns["start_ns"]))
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    columns = {name: values[order] for name, values in columns.items()}
    awaited = columns["awaited"]
    columns["awaited"] = np.where(awaited == NONE, NONE, position[awaited]).astype(np.int32)
    lane, start_ns = columns["lane"], columns["start_ns"]
    begun_ns = _since_step_before(lane, start_ns, columns.pop("end_ns"), begin_ns)
    noted = _noted_between(timeline, lane, begun_ns, start_ns) + (columns["span"] != NONE).astype(np.int32)
    return Steps(
        **columns,
        before_ns=start_ns - begun_ns,
        before_from_ns=begun_ns,
        calls=noted,
        stream_device=stream_device,
        free_ns=free_ns,
    )


def _filled(parts: Sequence[Columns]) -> Columns:
    def column(part: Columns, name: str) -> NDArray[Any]:
        if name in part or name not in _DEFAULTS:
            return part[name]
        value, dtype = _DEFAULTS[name]
        return np.full(len(part["kind"]), value, dtype)

    names = dict.fromkeys((*parts[0], *_DEFAULTS))
    return {name: np.concatenate([column(part, name) for part in parts]) for name in names}


def _since_step_before(lane: Int32s, start_ns: Int64s, end_ns: Int64s, begin_ns: int) -> Int64s:
    """When the thread was done with its step before; for a thread's first step `begin_ns`."""
    begun_ns = np.full(len(lane), begin_ns, np.int64)
    order = np.argsort(lane, kind="stable")
    same = lane[order][1:] == lane[order][:-1]
    begun_ns[order[1:][same]] = end_ns[order[:-1][same]]
    return np.minimum(begun_ns, start_ns)


def _noted_between(timeline: Timeline, lane: Int32s, from_ns: Int64s, to_ns: Int64s) -> Int32s:
    """How many spans of the thread that somebody noted while it ran began in each stretch."""
    spans = timeline.spans
    noted = spans.of_kind(*_NOTED)
    counts = np.zeros(len(lane), np.int32)
    for thread in np.unique(lane).tolist():
        starts_ns = spans.start_ns[noted[spans.lane[noted] == thread]]
        mine = lane == thread
        counts[mine] = np.searchsorted(starts_ns, to_ns[mine]) - np.searchsorted(starts_ns, from_ns[mine])
    return counts
