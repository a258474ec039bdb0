"""torch's trace as Kineto writes it (Chrome trace JSON), of torch 1.8 to 2.14, of NVIDIA and AMD.

Times are µs with three decimals since `baseTimeNanoseconds`, which is Unix epoch; the base may stand before or after
the events, and torch before 2.3 writes µs since the epoch without one. Streams and devices are read from `args`, never
from pid and tid: rows of stream synchronisation sit on made-up tids (kineto `output_json.cpp`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.builder import TimelineBuilder
from ortprobe.ingest.sources.files import LIMIT_NS, TraceFile
from ortprobe.ingest.sources.json_events import EventStream
from ortprobe.ingest.sources.kineto_events import EventColumns, decode_events
from ortprobe.timeline import (
    DEVICE_WORK,
    NONE,
    DeviceOps,
    Int32s,
    Int64s,
    Kind,
    Lane,
    LaneKind,
    Problem,
    ProblemKind,
    SourceKind,
    UInt8s,
    Waits,
)
from ortprobe.timeline.groups import rows_by_value

_ON_DEVICE = (*DEVICE_WORK, Kind.EVENT_RECORD)
_HOST = (Kind.TORCH_OP, Kind.ANNOTATION, Kind.CUDA_CALL)
_INT64_MAX = (1 << 63) - 1


class _Metadata(msgspec.Struct, gc=False):
    """What stands around the events. Programs add keys of their own, even these, with any value."""

    base_ns: Any = msgspec.field(default=0, name="baseTimeNanoseconds")
    devices: Any = msgspec.field(default=None, name="deviceProperties")
    cupti_version: Any = None
    cuda_runtime_version: Any = None
    cuda_driver_version: Any = None
    roctracer_version: Any = None
    hip_runtime_version: Any = None
    hip_driver_version: Any = None
    is_whole: Any = True
    """Whether nothing of them is missing."""

    @property
    def device_names(self) -> tuple[str, ...]:
        listed = self.devices if isinstance(self.devices, list) else []
        return tuple(str(one.get("name", "")) for one in listed if isinstance(one, dict))


@dataclass(frozen=True, slots=True, kw_only=True)
class KinetoTrace:
    """One decoded trace: columns of its complete events in file order, with absolute times."""

    path: str
    rows: Int32s
    """Position of each event in the file's `traceEvents`."""
    start_ns: Int64s
    end_ns: Int64s
    kinds: UInt8s
    """`Kind` of each event."""
    correlation: Int64s
    external: Int64s
    name: Int32s
    """Index in `names`."""
    names: tuple[str, ...]
    place: Int32s
    """Index in `processes` and `threads`."""
    processes: Int64s
    """pid of each place; NONE where the file has none that is a number."""
    threads: Int64s
    device: Int32s
    stream: Int64s
    """`device`, `stream`: NONE for what lies on no stream."""
    device_ops: Mapping[str, Int64s]
    """Columns of device work; `index` is the event's in the columns above. `waits` likewise."""
    waits: Mapping[str, Int64s]
    devices: tuple[str, ...]
    versions: Mapping[str, str]
    backwards: int
    """How many events the file gives a negative length; here they have none."""
    problems: tuple[Problem, ...]
    """What is missing from it."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def process(self) -> int:
        """The traced process; NONE when the trace holds no host span."""
        host = np.flatnonzero(np.isin(self.kinds, _HOST) & (self.processes[self.place] >= 0))
        return int(self.processes[self.place[host[0]]]) if len(host) else NONE


def read_kineto(file: TraceFile) -> KinetoTrace:
    """Decode one torch trace, as far as it goes: what is cut off or damaged becomes problems.

    Raises:
        UnreadableInput: empty, or something else than a torch profiler trace.
    """
    columns = EventColumns()
    stream = EventStream(file, decode_events)
    for events in stream:
        columns.add(events)
    if stream.is_empty:
        raise UnreadableInput(f"{file.name}: is empty; export the trace again")
    if not len(columns.of_all) and not columns.recognised:
        raise UnreadableInput(f"{file.name}: {_unrecognised(stream, columns)}")
    metadata = _metadata(stream)
    trace = _trace(file.name, columns, metadata)
    return replace(trace, problems=tuple(_problems(trace, stream, columns, metadata)))


def _trace(path: str, columns: EventColumns, metadata: _Metadata) -> KinetoTrace:
    of_all, of_streams = columns.of_all, columns.of_streams
    start_ns = of_all.joined("start_ns") + metadata.base_ns
    device, stream = np.full(len(start_ns), NONE, np.int32), np.full(len(start_ns), NONE, np.int64)
    on_stream = of_streams.joined("index")
    device[on_stream], stream[on_stream] = of_streams.joined("device"), of_streams.joined("stream")
    return KinetoTrace(
        path=path,
        rows=of_all.joined("row"),
        start_ns=start_ns,
        end_ns=start_ns + of_all.joined("duration_ns"),
        kinds=of_all.joined("kind"),
        correlation=of_all.joined("correlation"),
        external=of_all.joined("external"),
        name=of_all.joined("name"),
        names=tuple(columns.names),
        place=of_all.joined("place"),
        processes=np.array([_id(pid) for pid, _ in columns.places], np.int64),
        threads=np.array([_id(tid) for _, tid in columns.places], np.int64),
        device=device,
        stream=stream,
        device_ops=columns.of_work.all(),
        waits=columns.of_waits.all(),
        devices=metadata.device_names,
        versions=_versions(metadata),
        backwards=columns.backwards,
        problems=(),
    )


def _id(value: int | str) -> int:
    """Kineto of torch 1.8 writes thread ids as text."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) < 19 else NONE
    return value if abs(value) <= _INT64_MAX else NONE


def _metadata(stream: EventStream[msgspec.Struct]) -> _Metadata:
    """Whole, or, where what follows the events is cut off or damaged, what precedes them and the base alone."""
    for tail, is_whole in ((stream.tail, True), (b"}", not stream.head)):
        without_events = stream.head + b"]" + tail
        try:
            return _checked(msgspec.json.decode(without_events, type=_Metadata), is_whole)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    stated = re.search(rb'"baseTimeNanoseconds"\s*:\s*(\d{1,19})\s*[,}]', stream.head + stream.tail)
    return _checked(_Metadata(base_ns=int(stated[1]) if stated else 0), not stream.head)


def _checked(metadata: _Metadata, is_whole: bool) -> _Metadata:
    metadata.is_whole = is_whole
    base_ns = metadata.base_ns
    metadata.base_ns = base_ns if isinstance(base_ns, int) and abs(base_ns) < LIMIT_NS else 0
    return metadata


def _unrecognised(stream: EventStream[msgspec.Struct], columns: EventColumns) -> str:
    if stream.broken:
        return f"is cut off before anything of use ({stream.broken}); copy or export it again"
    if stream.unreadable:
        return f"is no torch profiler trace (none of its {stream.unreadable:,} events can be read)"
    if columns.foreign:
        return "is no torch profiler trace (its events are of another program's tracer)"
    return "is no torch profiler trace (no event of a kind that it writes)"


def _problems(
    trace: KinetoTrace, stream: EventStream[msgspec.Struct], columns: EventColumns, metadata: _Metadata
) -> list[Problem]:
    path, found = trace.path, []
    last_ns = int(trace.end_ns.max()) if len(trace) else None
    unreadable = stream.unreadable + columns.impossible
    if stream.broken:
        detail = f"{path}: {stream.broken}, after {columns.rows:,} events"
        found.append(Problem(kind=ProblemKind.CUT_OFF, detail=detail, start_ns=last_ns))
    elif not columns.is_complete:
        detail = f"{path}: lacks the mark that torch writes at its end, so it may be a part of what was recorded"
        found.append(Problem(kind=ProblemKind.NO_END_MARK, detail=detail, start_ns=last_ns))
    elif not metadata.is_whole:
        detail = f"{path}: is damaged or cut off behind its events"
        found.append(Problem(kind=ProblemKind.NO_END_MARK, detail=detail, start_ns=last_ns))
    if unreadable:
        detail = f"{path}: {unreadable:,} events can't be read"
        found.append(Problem(kind=ProblemKind.UNREADABLE_EVENTS, detail=detail, count=unreadable))
    if columns.foreign:
        detail = f"{path}: {columns.foreign:,} events of a form that torch does not write are left out"
        found.append(Problem(kind=ProblemKind.UNREADABLE_EVENTS, detail=detail, count=columns.foreign))
    if columns.unknown:
        count = columns.unknown.total()
        kinds = ", ".join(sorted(columns.unknown)[:5])
        detail = f"{path}: {count:,} spans of kinds that are not understood are left out ({kinds})"
        found.append(Problem(kind=ProblemKind.UNKNOWN_SPANS, detail=detail, count=count))
    if columns.is_relative and not metadata.base_ns:
        detail = f"{path}: does not say when it was recorded (no baseTimeNanoseconds)"
        found.append(Problem(kind=ProblemKind.CLOCK_DOUBT, detail=detail))
    return found


def add_kineto(builder: TimelineBuilder, trace: KinetoTrace, thread_of: Callable[[int], int]) -> int:
    """Add a trace's spans. `thread_of` turns the trace's thread ids into those of the OS.

    A thread that never ran a torch op appears under the low 32 bits of its pthread id; the hook log knows both.

    Returns the number of the source.
    """
    source = builder.source(SourceKind.TORCH_TRACE, trace.path, len(trace), trace.backwards)
    first = builder.add_spans(
        start_ns=trace.start_ns,
        end_ns=trace.end_ns,
        kind=trace.kinds,
        lane=_lanes(builder, trace, thread_of),
        name=builder.names(trace.names)[trace.name],
        correlation=trace.correlation,
        external=trace.external,
        source=source,
        row=trace.rows,
    )
    work, waits = trace.device_ops["index"], trace.waits["index"]
    builder.add_rows(
        DeviceOps,
        span=work + first,
        device=trace.device[work],
        stream=trace.stream[work],
        **{name: trace.device_ops[name] for name in ("size_bytes", "blocks", "graph")},
    )
    builder.add_rows(
        Waits,
        span=waits + first,
        device=trace.device[waits],
        stream=trace.stream[waits],
        **{name: trace.waits[name] for name in ("kind", "waited_stream", "record_correlation", "event")},
    )
    return source


def _lanes(builder: TimelineBuilder, trace: KinetoTrace, thread_of: Callable[[int], int]) -> Int32s:
    lanes = np.empty(len(trace), np.int32)
    process = trace.process
    is_wait = trace.kinds == Kind.WAIT
    on_stream = np.isin(trace.kinds, _ON_DEVICE) | is_wait
    stream = np.where(is_wait & (trace.stream < 0), NONE, trace.stream)
    at = np.flatnonzero(on_stream)
    for device, rows in rows_by_value(trace.device[at]):
        of_device = at[rows]
        for number, own in rows_by_value(stream[of_device]):
            lanes[of_device[own]] = builder.lane(_stream_lane(process, device, number))
    projected = trace.kinds == Kind.GPU_ANNOTATION
    for place, rows in rows_by_value(trace.place):
        owner, number = int(trace.processes[place]), int(trace.threads[place])
        on_device, on_host = rows[projected[rows]], rows[~on_stream[rows] & ~projected[rows]]
        if len(on_device):
            lanes[on_device] = builder.lane(_stream_lane(process, owner, number))
        if len(on_host):
            lanes[on_host] = builder.lane(_thread_lane(process, owner, number, thread_of))
    return lanes


def _stream_lane(process: int, device: int, stream: int) -> Lane:
    label = f"stream {stream}" if stream >= 0 else f"device {device}"
    return Lane(kind=LaneKind.STREAM, label=label, process=process, device=device, stream=stream)


def _thread_lane(process: int, owner: int, thread: int, thread_of: Callable[[int], int]) -> Lane:
    if owner < 0:
        return Lane(kind=LaneKind.THREAD, label="profiler", process=process)
    known = thread_of(thread)
    return Lane(kind=LaneKind.THREAD, label=f"thread {known}", process=owner, thread=known)


def _versions(metadata: _Metadata) -> dict[str, str]:
    stated = {
        "CUPTI": metadata.cupti_version,
        "CUDA runtime": metadata.cuda_runtime_version,
        "CUDA driver": metadata.cuda_driver_version,
        "roctracer": metadata.roctracer_version,
        "HIP runtime": metadata.hip_runtime_version,
        "HIP driver": metadata.hip_driver_version,
    }
    return {name: str(version) for name, version in stated.items() if version and isinstance(version, int | float)}
