"""torch's trace as Kineto writes it (Chrome trace JSON), of torch 1.8 to 2.14, of NVIDIA and AMD.

Times are µs with three decimals since `baseTimeNanoseconds`, which is Unix epoch; the base may stand before or after
the events, and torch before 2.3 writes µs since the epoch without one. Streams and devices are read from `args`, never
from pid and tid: rows of stream synchronisation sit on made-up tids (kineto `output_json.cpp`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.sources.device_trace import DeviceTrace
from ortprobe.ingest.sources.files import LIMIT_NS, TraceFile
from ortprobe.ingest.sources.json_events import EventStream
from ortprobe.ingest.sources.kineto_events import EventColumns, decode_events
from ortprobe.timeline import NONE, Problem, ProblemKind, SourceKind

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


def read_kineto(file: TraceFile) -> DeviceTrace:
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


def _trace(path: str, columns: EventColumns, metadata: _Metadata) -> DeviceTrace:
    of_all, of_streams = columns.of_all, columns.of_streams
    start_ns = of_all.joined("start_ns") + metadata.base_ns
    device, stream = np.full(len(start_ns), NONE, np.int32), np.full(len(start_ns), NONE, np.int64)
    on_stream = of_streams.joined("index")
    device[on_stream], stream[on_stream] = of_streams.joined("device"), of_streams.joined("stream")
    return DeviceTrace(
        kind=SourceKind.TORCH_TRACE,
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
    trace: DeviceTrace, stream: EventStream[msgspec.Struct], columns: EventColumns, metadata: _Metadata
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
