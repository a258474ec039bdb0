"""The hook log of a bundle as spans: the calls of the program that no trace has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ortprobe.bundle import NO_STREAM, Access, AnyRecord, Bundle, Call, Handover, SessionCreated, Stream, Thread
from ortprobe.ingest.builder import TimelineBuilder
from ortprobe.ingest.sources.submitted import submitting_sites
from ortprobe.timeline import LEGACY_STREAM, NONE, Handovers, HookCalls, Kind, Lane, LaneKind, SourceKind, TensorUses
from ortprobe.timeline.intervals import Intervals

RUN_CALLS = ("run", "run_with_iobinding", "run_with_ort_values", "run_with_ortvaluevector", "run_async")
ENTRY_CALLS = ("add_session_config_entry", "add_run_config_entry")
CREATION = "InferenceSession"
"""The name of the span in which a C session is made, whoever makes it."""


def add_hook_log(builder: TimelineBuilder, bundle: Bundle, path: str) -> int:
    """Add calls and session creations as spans of kind HOOK. Returns the number of the source."""
    rows = [(row, record) for row, record in enumerate(bundle.records) if isinstance(record, Call | SessionCreated)]
    source = builder.source(SourceKind.HOOK_LOG, path, len(rows))
    process = bundle.manifest.process
    labels = thread_names(bundle.records)
    calls = [as_call(record) for _, record in rows]
    handovers = [record for record in bundle.records if isinstance(record, Handover)]
    threads = {call.thread for call in calls} | {handover.thread for handover in handovers}
    lanes = {thread: builder.lane(_thread_lane(process, thread, labels)) for thread in threads}
    first = builder.add_spans(
        start_ns=np.fromiter((call.start_ns for call in calls), np.int64),
        end_ns=np.fromiter((max(call.end_ns, call.start_ns) for call in calls), np.int64),
        kind=Kind.HOOK,
        lane=np.fromiter((lanes[call.thread] for call in calls), np.int32),
        name=builder.names(_label(call) for call in calls),
        source=source,
        row=np.fromiter((row for row, _ in rows), np.int32),
    )
    _add_calls(builder, calls, first, bundle.records)
    builder.add_rows(
        Handovers,
        at_ns=[one.at_ns for one in handovers],
        lane=[lanes[one.thread] for one in handovers],
        token=[one.token for one in handovers],
        gives=[one.gives for one in handovers],
    )
    _add_accesses(builder, [record for record in bundle.records if isinstance(record, Access)])
    return source


def session_numbers(records: Sequence[AnyRecord]) -> dict[int, int]:
    """Serial number of a C session in the capture → its index in `Timeline.sessions`.

    They differ where a killed program left no line about a session that it was making.
    """
    serials = sorted({record.session for record in records if isinstance(record, SessionCreated)})
    return {serial: index for index, serial in enumerate(serials)}


def thread_names(records: Sequence[AnyRecord]) -> dict[int, str]:
    """OS thread id → Python's name of the thread."""
    return {record.native_id: record.name for record in records if isinstance(record, Thread) and record.name}


def cupti_threads(records: Sequence[AnyRecord]) -> dict[int, int]:
    """Thread id in a torch trace → OS thread id.

    CUPTI knows the low 32 bits of the pthread id; Kineto writes it as a signed number, from torch 2.6 on the absolute
    value of that (kineto `sanitizeTid`), unless the thread ran a torch op.
    """
    found: dict[int, int] = {}
    for record in records:
        if isinstance(record, Thread):
            low = record.ident_low32
            found[low] = record.native_id
            signed = low - (1 << 32) if low >= 1 << 31 else low
            found[signed] = found[abs(signed)] = record.native_id
    return found


def trace_streams(records: Sequence[AnyRecord]) -> dict[int, int]:
    """Stream handle → the stream id of the traces, for the handles that CUPTI could translate.

    The legacy default stream it does not (`cuptiGetStreamIdEx` answers handle 0 with an error): that has the id of a
    process's first context, unless another stream has it.
    """
    streams = [record for record in records if isinstance(record, Stream)]
    found = {record.handle: record.trace_id for record in streams if record.trace_id != NONE}
    if any(not record.handle for record in streams) and LEGACY_STREAM not in found.values():
        found.setdefault(0, LEGACY_STREAM)
    return found


def as_call(record: Call | SessionCreated) -> Call:
    """The creation of a C session, seen as one of the calls."""
    if isinstance(record, Call):
        return record
    return Call(
        what=CREATION,
        start_ns=record.start_ns,
        end_ns=record.end_ns,
        thread=record.thread,
        session=record.session,
        site=record.site,
        error=record.error,
    )


def hooked_runs(records: Sequence[AnyRecord], session: int) -> Intervals:
    """Starts and ends of the calls that ran a session, on any thread."""
    calls = [
        (record.start_ns, record.end_ns)
        for record in records
        if isinstance(record, Call) and record.session == session and record.what in RUN_CALLS
    ]
    table = np.array(calls, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _add_calls(builder: TimelineBuilder, calls: list[Call], first: int, records: Sequence[AnyRecord]) -> None:
    streams = {**trace_streams(records), NO_STREAM: NONE}
    sessions = session_numbers(records)
    sites = submitting_sites(calls, records)
    builder.add_rows(
        HookCalls,
        span=np.arange(first, first + len(calls)),
        what=builder.names(call.what for call in calls),
        session=[sessions.get(call.session, NONE) for call in calls],
        binding=[call.binding for call in calls],
        stream=[streams.get(call.stream, NONE) for call in calls],
        waited_stream=[streams.get(call.waited_stream, NONE) for call in calls],
        event=[call.event for call in calls],
        buffer=_numbers(builder, (call.buffer for call in calls)),
        device=_numbers(builder, (call.device for call in calls)),
        contiguous=[NONE if call.contiguous is None else call.contiguous for call in calls],
        dtype=_numbers(builder, (call.dtype for call in calls)),
        tensor_dtype=_numbers(builder, (call.tensor_dtype for call in calls)),
        tensor_bytes=[call.tensor_bytes for call in calls],
        origin=_numbers(builder, (call.origin for call in calls)),
        option=_numbers(builder, (_entry_key(call) for call in calls)),
        read_address=[call.read_address for call in calls],
        read_bytes=[call.read_bytes for call in calls],
        write_address=[call.write_address for call in calls],
        write_bytes=[call.write_bytes for call in calls],
        site=_numbers(builder, sites),
        attached=[call.attached for call in calls],
        failed=[bool(call.error) for call in calls],
        run_options=_numbers(builder, (_entries(call.options) for call in calls)),
    )


def _add_accesses(builder: TimelineBuilder, accesses: list[Access]) -> None:
    builder.add_rows(
        TensorUses,
        start_ns=[one.start_ns for one in accesses],
        end_ns=[one.end_ns for one in accesses],
        op=builder.names(one.op for one in accesses),
        address=[one.address for one in accesses],
        size_bytes=[one.size_bytes for one in accesses],
        extent_bytes=[one.extent_bytes for one in accesses],
        writes=[one.mode != "read" for one in accesses],
    )


def _entry_key(call: Call) -> str:
    return next(iter(call.options), "") if call.what in ENTRY_CALLS else ""


def _numbers(builder: TimelineBuilder, texts: Iterable[str]) -> list[int]:
    """The numbers of names; NONE for an empty text."""
    return [builder.name(text) if text else NONE for text in texts]


def _entries(options: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(options.items()))


def _label(call: Call) -> str:
    return f"{call.what} {call.buffer}" if call.buffer else call.what


def _thread_lane(process: int, thread: int, labels: dict[int, str]) -> Lane:
    label = f"thread {thread} ({labels[thread]})" if thread in labels else f"thread {thread}"
    return Lane(kind=LaneKind.THREAD, label=label, process=process, thread=thread)
