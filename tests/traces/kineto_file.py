"""The torch trace of one window: its rows in Kineto's order, each with what it is a row of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from traces.history import NOTHING, History, HostWaited, Overhead, Work
from traces.kineto_rows import (
    Event,
    Row,
    call_row,
    complete,
    event_row,
    flow_row,
    metadata_row,
    order_of,
    profiler_row,
    sync_row,
    window_end_row,
    work_row,
    write_rows,
)
from traces.origin import Origin, What
from traces.program import HostWait, WorkKind
from traces.recording import Recorded, Recording, trace_thread

_SYNC_DELAY_NS = 1_500
"""A synchronisation record begins so long after its call, if the call lasts so long."""
_VERSIONS: Event = {"cupti_version": 130001, "cuda_runtime_version": 13000, "cuda_driver_version": 13000}
Sourced = tuple[Row, Origin | None]


def write_trace(path: Path, history: History, recording: Recording, recorded: Recorded) -> list[Origin | None]:
    """Write the trace of one window. Returns what each row of the file is a row of; None for what links nothing."""
    rows = list(_Rows(history, recording, recorded).all())
    rows = [rows[number] for number in order_of(len(rows), recording.trace.shuffle)]
    if recording.trace.has_window_end:
        rows.append((window_end_row(recording.epoch_ns + recorded.window[1]), None))
    names = [{"id": device, "name": "NVIDIA H100 80GB HBM3"} for device in _devices(history)]
    layout = replace(
        recording.trace,
        base_ns=recording.epoch_ns + recorded.window[0] - recording.base_before_ns,
        head={"deviceProperties": names, **_VERSIONS, "displayTimeUnit": "ms"},
    )
    write_rows(path, [row for row, _ in rows], layout)
    return [origin for _, origin in rows]


def _devices(history: History) -> list[int]:
    return sorted({stream.device for stream in history.program.streams})


class _Rows:
    def __init__(self, history: History, recording: Recording, recorded: Recorded) -> None:
        self._history = history
        self._recording = recording
        self._recorded = recorded
        self._process = recording.process

    def all(self) -> Iterator[Sourced]:
        recorded = self._recorded
        yield from ((self._op(number), Origin(What.OP, number)) for number in sorted(recorded.ops))
        for number in sorted(recorded.calls):
            yield self._call(number), Origin(What.CALL, number)
        for number in sorted(recorded.works):
            yield self._work(number), Origin(What.WORK, number)
        for number in sorted(recorded.stream_waits):
            yield self._stream_wait(number), Origin(What.STREAM_WAIT, number)
        for number in sorted(recorded.host_waits):
            yield self._host_wait(number), Origin(What.HOST_WAIT, number)
        for number in sorted(recorded.event_rows(self._recording)):
            yield self._event(number), Origin(What.RECORD, number)
        for overhead in self._history.overheads:
            if overhead.call in recorded.calls:
                yield self._overhead(overhead), None
        yield from ((row, None) for row in self._decoration())

    def _op(self, number: int) -> Row:
        op = self._history.ops[number]
        args: Event = {"External id": op.external, "Record function id": 0, "Ev Idx": number}
        start_ns, thread = self._epoch(op.start_ns), self._thread(op.thread)
        return complete("cpu_op", op.name, start_ns, op.end_ns - op.start_ns, self._process, thread, args)

    def _call(self, number: int) -> Row:
        call = self._history.calls[number]
        return call_row(
            call.name, self._epoch(call.start_ns), call.end_ns - call.start_ns, process=self._process,
            thread=self._thread(call.thread), correlation=call.correlation, external=self._external(call.external),
            cbid=211,
        )  # fmt: skip

    def _work(self, number: int) -> Row:
        work = self._history.works[number]
        stream, call = self._history.program.streams[work.stream], self._history.calls[work.call]
        is_kernel = work.kind is WorkKind.KERNEL
        return work_row(
            work.kind.value, work.name, self._epoch(work.start_ns), work.end_ns - work.start_ns, device=stream.device,
            stream=stream.trace_id, correlation=call.correlation, external=self._external(call.external),
            grid=(work.blocks, 1, 1) if is_kernel else (), size_bytes=None if is_kernel else work.size_bytes,
            graph=work.graph,
        )  # fmt: skip

    def _stream_wait(self, number: int) -> Row:
        wait = self._history.stream_waits[number]
        stream = self._history.program.streams[wait.stream]
        return self._sync("Stream Wait Event", wait.call, wait.record, wait.event, stream.device, stream.trace_id)

    def _host_wait(self, number: int) -> Row:
        wait = self._history.host_waits[number]
        kind = HostWait.EVENT if wait.kind is HostWait.QUERY else wait.kind
        return self._sync(kind.value, wait.call, wait.record, wait.of, wait.device, self._waited_stream(wait))

    def _sync(self, kind: str, call: int, record: int, event: int, device: int, stream: int) -> Row:
        made = self._history.calls[call]
        waited_stream = correlation = -1
        if self._recorded.resolves(record, self._recording):
            recorded = self._history.records[record]
            waited_stream = self._history.program.streams[recorded.stream].trace_id
            correlation = self._history.calls[recorded.call].correlation
        delay_ns = min(_SYNC_DELAY_NS, made.end_ns - made.start_ns)
        return sync_row(
            kind, self._epoch(made.start_ns + delay_ns), made.end_ns - made.start_ns - delay_ns, device=device,
            correlation=made.correlation, stream=stream, waited_stream=waited_stream, record=correlation, event=event,
            tid_offset=self._recording.sync_tid_offset,
        )  # fmt: skip

    def _waited_stream(self, wait: HostWaited) -> int:
        is_of_stream = wait.kind is HostWait.STREAM
        return self._history.program.streams[wait.of].trace_id if is_of_stream else NOTHING

    def _overhead(self, overhead: Overhead) -> Row:
        duration_ns = overhead.end_ns - overhead.start_ns
        return complete("overhead", overhead.name, self._epoch(overhead.start_ns), duration_ns, -1, 0, {})

    def _event(self, number: int) -> Row:
        record = self._history.records[number]
        stream, call = self._history.program.streams[record.stream], self._history.calls[record.call]
        return event_row(
            self._epoch(max(record.at_ns, call.start_ns)), event=record.event, device=stream.device,
            stream=stream.trace_id, correlation=call.correlation,
        )  # fmt: skip

    def _decoration(self) -> Iterator[Row]:
        """What every trace has, and nothing hangs on."""
        start_ns, end_ns = (self._epoch(time_ns) for time_ns in self._recorded.window)
        yield profiler_row(start_ns, end_ns - start_ns)
        if self._recording.has_metadata:
            yield metadata_row("process_name", start_ns, self._process, 0, {"name": "python3"})
            for device in range(8):
                yield metadata_row("process_sort_index", start_ns, device, 0, {"sort_index": 5_000_000 + device})
            for spec in self._history.program.streams:
                labelled: Event = {"name": f"stream {spec.trace_id} "}
                yield metadata_row("thread_name", start_ns, spec.device, spec.trace_id, labelled)
        if self._recording.has_flows:
            for number in sorted(self._recorded.works):
                yield from self._flow(self._history.works[number])

    def _flow(self, work: Work) -> Iterator[Row]:
        call, stream = self._history.calls[work.call], self._history.program.streams[work.stream]
        if work.call in self._recorded.calls:
            thread = self._thread(call.thread)
            start_ns = self._epoch(call.start_ns)
            yield flow_row("s", start_ns, correlation=call.correlation, pid=self._process, tid=thread)
        start_ns = self._epoch(work.start_ns)
        yield flow_row("f", start_ns, correlation=call.correlation, pid=stream.device, tid=stream.trace_id)

    def _thread(self, thread: int) -> int:
        return trace_thread(self._history, self._recording, self._recorded, thread)

    def _external(self, external: int) -> int:
        """Rows name the op around them only when the trace holds it."""
        return external if external - 1 in self._recorded.ops else 0

    def _epoch(self, time_ns: int) -> int:
        return self._recording.epoch_ns + time_ns
