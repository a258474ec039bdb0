"""torch's trace as Kineto writes it (Chrome trace JSON), of torch 2.1 to 2.14.

Times are µs with three decimals since `baseTimeNanoseconds`, which is Unix epoch; the base may stand before or after
the events. Streams and devices are read from `args`, never from pid and tid: rows of stream synchronisation sit on
made-up tids (kineto `output_json.cpp`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.builder import TimelineBuilder
from ortprobe.ingest.files import LIMIT_NS, read_trace
from ortprobe.timeline import (
    DEVICE_WORK,
    NONE,
    DeviceOps,
    Int32s,
    Int64s,
    Kind,
    Lane,
    LaneKind,
    SourceKind,
    UInt8s,
    WaitKind,
    Waits,
)

_KINDS = {
    "cpu_op": Kind.TORCH_OP,
    "user_annotation": Kind.ANNOTATION,
    "python_function": Kind.PYTHON,
    "cuda_runtime": Kind.CUDA_CALL,
    "cuda_driver": Kind.CUDA_CALL,
    "overhead": Kind.OVERHEAD,
    "kernel": Kind.KERNEL,
    "gpu_memcpy": Kind.MEMCPY,
    "gpu_memset": Kind.MEMSET,
    "cuda_sync": Kind.WAIT,
    "cuda_event": Kind.EVENT_RECORD,
    "gpu_user_annotation": Kind.GPU_ANNOTATION,
}
_WAIT_KINDS = {
    "Stream Wait Event": WaitKind.STREAM_WAIT_EVENT,
    "Event Sync": WaitKind.EVENT_SYNC,
    "Stream Sync": WaitKind.STREAM_SYNC,
    "Context Sync": WaitKind.DEVICE_SYNC,
}
_ON_DEVICE = (*DEVICE_WORK, Kind.EVENT_RECORD)
_INT64_MAX = (1 << 63) - 1

_Int32 = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
_Int64 = Annotated[int, msgspec.Meta(ge=-_INT64_MAX, le=_INT64_MAX)]


class _Args(msgspec.Struct, gc=False):
    correlation: _Int64 = NONE
    external: _Int64 = msgspec.field(default=NONE, name="External id")
    device: _Int32 = NONE
    stream: _Int64 = NONE
    bytes: _Int64 = 0
    grid: list[int] = []
    graph: _Int64 = msgspec.field(default=NONE, name="graph id")
    cuda_sync_kind: str = ""
    wait_on_stream: _Int64 = NONE
    wait_on_cuda_event_record_corr_id: _Int64 = NONE
    wait_on_cuda_event_id: _Int64 = NONE


class _Event(msgspec.Struct, gc=False):
    ph: str
    name: str = ""
    cat: str = ""
    ts: float = 0.0
    dur: float = 0.0
    pid: int | str = NONE
    tid: int | str = NONE
    args: _Args | None = None


class _Device(msgspec.Struct, gc=False):
    name: str = ""


class _Trace(msgspec.Struct, gc=False):
    events: list[_Event] = msgspec.field(name="traceEvents")
    base_ns: _Int64 = msgspec.field(default=0, name="baseTimeNanoseconds")
    devices: list[_Device] = msgspec.field(default_factory=list, name="deviceProperties")
    cupti_version: int = 0
    cuda_runtime_version: int = 0
    cuda_driver_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KinetoTrace:
    """One decoded trace: its complete events in file order, with absolute times."""

    path: str
    events: list[_Event]
    rows: Int32s
    """Position of each event in the file's `traceEvents`."""
    start_ns: Int64s
    end_ns: Int64s
    kinds: UInt8s
    """`Kind` of each event."""
    correlation: Int64s
    devices: tuple[str, ...]
    versions: Mapping[str, str]
    backwards: int
    """How many events the file gives a negative length; here they have none."""
    is_complete: bool
    """Whether Kineto's closing mark ("Record Window End") is there."""

    @property
    def process(self) -> int:
        """The traced process; NONE when the trace holds no host span."""
        return next((event.pid for event in self.events if event.cat in _HOST and isinstance(event.pid, int)), NONE)


_HOST = ("cpu_op", "user_annotation", "cuda_runtime", "cuda_driver")


def read_kineto(path: Path) -> KinetoTrace:
    """Decode one torch trace.

    Raises:
        UnreadableInput: empty, cut off, or something else than a torch profiler trace.
    """
    trace = _decode(path, read_trace(path))
    complete = [row for row, event in enumerate(trace.events) if event.ph == "X" and event.cat in _KINDS]
    if not complete and not any(event.cat == "Trace" for event in trace.events):
        raise UnreadableInput(f"{path}: is no torch profiler trace (no event of a kind that it writes)")
    events = [trace.events[row] for row in complete]
    start_us = np.fromiter((event.ts for event in events), np.float64)
    stated_us = np.fromiter((event.dur for event in events), np.float64)
    duration_us = np.maximum(stated_us, 0.0)
    # Written so that NaN, which old exports can hold, fails the comparison.
    if not ((np.abs(start_us * 1000 + trace.base_ns) < LIMIT_NS) & (duration_us * 1000 < LIMIT_NS)).all():
        raise UnreadableInput(f"{path}: has times that no trace can have; export it again")
    start_ns = np.rint(start_us * 1000).astype(np.int64) + trace.base_ns
    duration_ns = np.rint(duration_us * 1000).astype(np.int64)
    return KinetoTrace(
        path=str(path),
        events=events,
        rows=np.array(complete, np.int32),
        start_ns=start_ns,
        end_ns=start_ns + duration_ns,
        kinds=np.fromiter((_KINDS[event.cat] for event in events), np.uint8),
        correlation=np.fromiter((event.args.correlation if event.args else NONE for event in events), np.int64),
        devices=tuple(device.name for device in trace.devices),
        versions=_versions(trace),
        backwards=int((stated_us < 0).sum()),
        is_complete=any(event.name == "Record Window End" for event in trace.events[-64:]),
    )


def add_kineto(builder: TimelineBuilder, trace: KinetoTrace, thread_of: Callable[[int], int]) -> int:
    """Add a trace's spans. `thread_of` turns the trace's thread ids into those of the OS.

    A thread that never ran a torch op appears under the low 32 bits of its pthread id; the hook log knows both.

    Returns the number of the source.
    """
    source = builder.source(SourceKind.TORCH_TRACE, trace.path, len(trace.events), trace.backwards)
    args = [event.args or _NO_ARGS for event in trace.events]
    first = builder.add_spans(
        start_ns=trace.start_ns,
        end_ns=trace.end_ns,
        kind=trace.kinds,
        lane=_lanes(builder, trace, thread_of),
        name=builder.names(event.name for event in trace.events),
        correlation=trace.correlation,
        external=np.fromiter((arg.external for arg in args), np.int64),
        source=source,
        row=trace.rows,
    )
    _add_device_ops(builder, trace.kinds, args, first)
    _add_waits(builder, trace.kinds, args, first)
    return source


def _decode(path: Path, raw: bytes) -> _Trace:
    if not raw.strip():
        raise UnreadableInput(f"{path}: is empty; export the trace again")
    try:
        return msgspec.json.decode(raw, type=_Trace)
    except msgspec.ValidationError as error:
        raise UnreadableInput(f"{path}: is no torch profiler trace ({error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_leniently(path, raw)


def _decode_leniently(path: Path, raw: bytes) -> _Trace:
    """Control characters inside names are invalid JSON, and Kineto wrote them until 2025-01."""
    try:
        return msgspec.convert(json.loads(raw.decode("utf-8", "replace"), strict=False), type=_Trace)
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        state = "is not JSON" if raw.rstrip().endswith(b"}") else "is cut off"
        raise UnreadableInput(f"{path}: {state} ({error}); export the trace again") from error


def _lanes(builder: TimelineBuilder, trace: KinetoTrace, thread_of: Callable[[int], int]) -> Int32s:
    known: dict[tuple[object, ...], int] = {}
    lanes = np.empty(len(trace.events), np.int32)
    process = trace.process
    for index, (event, kind) in enumerate(zip(trace.events, trace.kinds.tolist(), strict=True)):
        key = _lane_key(event, kind)
        if key not in known:
            known[key] = builder.lane(_lane(key, process, thread_of))
        lanes[index] = known[key]
    return lanes


def _lane_key(event: _Event, kind: int) -> tuple[object, ...]:
    args = event.args or _NO_ARGS
    if kind in _ON_DEVICE or (kind == Kind.WAIT and args.stream >= 0):
        return (LaneKind.STREAM, args.device, args.stream)
    if kind == Kind.GPU_ANNOTATION:
        return (LaneKind.STREAM, event.pid, event.tid)
    if kind == Kind.WAIT:
        return (LaneKind.STREAM, args.device, NONE)
    return (LaneKind.THREAD, event.pid, event.tid)


def _lane(key: tuple[object, ...], process: int, thread_of: Callable[[int], int]) -> Lane:
    kind, owner, number = key
    owner, number = (value if isinstance(value, int) else NONE for value in (owner, number))
    if kind == LaneKind.STREAM:
        label = f"stream {number}" if number >= 0 else f"device {owner}"
        return Lane(kind=LaneKind.STREAM, label=label, process=process, device=owner, stream=number)
    if owner < 0:
        return Lane(kind=LaneKind.THREAD, label="profiler", process=process)
    thread = thread_of(number)
    return Lane(kind=LaneKind.THREAD, label=f"thread {thread}", process=owner, thread=thread)


def _add_device_ops(builder: TimelineBuilder, kinds: UInt8s, args: list[_Args], first: int) -> None:
    work = np.flatnonzero(np.isin(kinds, DEVICE_WORK)).tolist()
    builder.add_rows(
        DeviceOps,
        span=np.array(work, np.int32) + first,
        device=[args[index].device for index in work],
        stream=[args[index].stream for index in work],
        size_bytes=[args[index].bytes for index in work],
        blocks=[_blocks(args[index].grid) for index in work],
        graph=[args[index].graph or NONE for index in work],
    )


def _blocks(grid: list[int]) -> int:
    return min(math.prod(grid), _INT64_MAX) if grid else 0


def _add_waits(builder: TimelineBuilder, kinds: UInt8s, args: list[_Args], first: int) -> None:
    records = np.flatnonzero(kinds == Kind.WAIT).tolist()
    waits = [index for index in records if args[index].cuda_sync_kind in _WAIT_KINDS]
    builder.add_rows(
        Waits,
        span=np.array(waits, np.int32) + first,
        kind=[_WAIT_KINDS[args[index].cuda_sync_kind] for index in waits],
        device=[args[index].device for index in waits],
        stream=[args[index].stream for index in waits],
        waited_stream=[_resolved(args[index].wait_on_stream) for index in waits],
        record_correlation=[_resolved(args[index].wait_on_cuda_event_record_corr_id) for index in waits],
        event=[args[index].wait_on_cuda_event_id for index in waits],
    )


def _resolved(value: int) -> int:
    """Kineto writes the unresolved as -1, or as that in 32 unsigned bits."""
    return NONE if value in (-1, 0xFFFFFFFF) else value


def _versions(trace: _Trace) -> dict[str, str]:
    stated = {
        "CUPTI": trace.cupti_version,
        "CUDA runtime": trace.cuda_runtime_version,
        "CUDA driver": trace.cuda_driver_version,
    }
    return {name: str(version) for name, version in stated.items() if version}


_NO_ARGS = _Args()
