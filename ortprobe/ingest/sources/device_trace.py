"""What a tracer of the GPU recorded in one process, whoever wrote the file: columns, and how they become spans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ortprobe.errors import UsageError
from ortprobe.ingest.builder import TimelineBuilder
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
    SourceKind,
    UInt8s,
    Waits,
)
from ortprobe.timeline.groups import rows_by_value

_ON_DEVICE = (*DEVICE_WORK, Kind.EVENT_RECORD)
_HOST = (Kind.TORCH_OP, Kind.ANNOTATION, Kind.CUDA_CALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTrace:
    """One decoded trace: columns of its complete events in file order, with absolute times."""

    kind: SourceKind
    """What wrote it."""
    path: str
    rows: Int32s
    """Position of each event in the file: in `traceEvents` of torch's trace, as they are read from the tables of an
    export of Nsight Systems."""
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
    began_ns: int | None = None
    """When the recording began, where the file's own times count from then and it says so."""
    blocking: Mapping[tuple[int, int], bool] = field(default_factory=dict)
    """(device, stream) → whether it orders itself with the legacy default stream, where the file says so."""
    gpus: Mapping[int, str] = field(default_factory=dict)
    """UUID of the GPU that each device of the process is, where the file says so."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def devices_with_work(self) -> list[int]:
        """The numbers of the devices that the process worked on."""
        return [device for device in np.unique(self.device[self.device_ops["index"]]).tolist() if device != NONE]

    @property
    def process(self) -> int:
        """The traced process; NONE when the trace holds no host span."""
        host = np.flatnonzero(np.isin(self.kinds, _HOST) & (self.processes[self.place] >= 0))
        return int(self.processes[self.place[host[0]]]) if len(host) else NONE


def refuse_repeated(traces: Iterable[DeviceTrace]) -> None:
    """Nothing is counted twice because a recording was given twice, once of them compressed, say.

    Raises:
        UsageError: two traces hold the same work of the same process.
    """
    seen: dict[tuple[int, bytes], str] = {}
    for trace in traces:
        starts_ns = np.sort(trace.start_ns[trace.device_ops["index"]]).tobytes()
        if starts_ns and (trace.process, starts_ns) in seen:
            raise UsageError(f"{trace.path}: holds the same work as {seen[trace.process, starts_ns]}; give one of them")
        seen[trace.process, starts_ns] = trace.path


def add_trace(builder: TimelineBuilder, trace: DeviceTrace, thread_of: Callable[[int], int]) -> int:
    """Add a trace's spans. `thread_of` turns the trace's thread ids into those of the OS.

    A thread that never ran a torch op appears under the low 32 bits of its pthread id; the hook log knows both.

    Returns the number of the source.
    """
    source = builder.source(trace.kind, trace.path, len(trace), trace.backwards, trace.began_ns)
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


def _lanes(builder: TimelineBuilder, trace: DeviceTrace, thread_of: Callable[[int], int]) -> Int32s:
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
    whole = f"device {device}" if device >= 0 else "one of the devices"
    label = f"stream {stream}" if stream >= 0 else whole
    return Lane(kind=LaneKind.STREAM, label=label, process=process, device=device, stream=stream)


def _thread_lane(process: int, owner: int, thread: int, thread_of: Callable[[int], int]) -> Lane:
    if owner < 0:
        return Lane(kind=LaneKind.THREAD, label="profiler", process=process)
    known = thread_of(thread)
    return Lane(kind=LaneKind.THREAD, label=f"thread {known}", process=owner, thread=known)
