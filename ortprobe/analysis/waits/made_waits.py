"""Every wait that was made, as far as its call and its record alone tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.device_work import StreamKey, StreamWork, work_by_stream
from ortprobe.analysis.waits.waited_devices import waited_devices
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline, UInt8s, WaitKind
from ortprobe.timeline.cuda_calls import QUERIES, base_name

WAITING_CALLS = {
    "cudaDeviceSynchronize": WaitKind.DEVICE_SYNC,
    "cuCtxSynchronize": WaitKind.DEVICE_SYNC,
    "cudaStreamSynchronize": WaitKind.STREAM_SYNC,
    "cuStreamSynchronize": WaitKind.STREAM_SYNC,
    "cudaEventSynchronize": WaitKind.EVENT_SYNC,
    "cuEventSynchronize": WaitKind.EVENT_SYNC,
    "cudaStreamWaitEvent": WaitKind.STREAM_WAIT_EVENT,
    "cuStreamWaitEvent": WaitKind.STREAM_WAIT_EVENT,
}
"""`QUERIES` are not among them, though CUPTI 12.9 and later write records for them too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The device work that waits are looked up in, stream by stream."""

    keys: tuple[StreamKey, ...]
    work: tuple[StreamWork, ...]
    """Of each of `keys`."""
    lane: Int32s
    """Of each of `keys`, its index in `Timeline.lanes`."""

    @staticmethod
    def of(timeline: Timeline) -> Streams:
        """All streams that work ran on."""
        found = work_by_stream(timeline)
        lanes = [int(timeline.spans.lane[work.span[0]]) for work in found.values()]
        return Streams(keys=tuple(found), work=tuple(found.values()), lane=np.array(lanes, np.int32))

    @property
    def only_device(self) -> int:
        """The device with work, when there is one alone: a call does not say which device it is for. Else NONE."""
        devices = {device for device, _ in self.keys}
        return devices.pop() if len(devices) == 1 else NONE

    def number_of(self, device: Int32s, stream: Int64s) -> Int32s:
        """Positions of these streams in `keys`; NONE for those without work."""
        found = np.full(len(device), NONE, np.int32)
        for number, key in enumerate(self.keys):
            found[(device == key[0]) & (stream == key[1])] = number
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWaits:
    """Waits of the host and of streams. All columns have the same length, in time order."""

    span: Int32s
    """The WAIT span, or the CUDA call without a record."""
    call: Int32s
    """The CUDA call; NONE for a wait that no recorded call made."""
    kind: UInt8s
    """`WaitKind`; a blocking copy waits for its stream."""
    is_copy: Bools
    """Whether the call copies, and waits for that."""
    is_resolved: Bools
    """Whether the trace says what was waited for."""
    process: Int64s
    """OS process id of the waiter: a process waits for its own streams alone."""
    device: Int32s
    """CUDA device number of what is waited for; NONE where neither the trace says so nor only one device has work."""
    waiting_device: Int32s
    """That of the stream that waits, which can be another one; for the host as `device`."""
    stream: Int64s
    """CUPTI's id of the stream waited for; NONE for a device, and where unresolved."""
    waiting_stream: Int64s
    """CUPTI's id of the stream that waits; NONE for the host, and without a record."""
    up_to: Int64s
    """What was enqueued before the call with this correlation id is waited for; NONE: what was launched before the wait
    began."""

    def __len__(self) -> int:
        return len(self.span)

    @property
    def timed(self) -> Int32s:
        """The spans that have the waits' names and times: the call, or the record without one."""
        return np.where(self.call != NONE, self.call, self.span).astype(np.int32)

    @property
    def of_stream(self) -> Bools:
        """Whether a stream waits and not the host."""
        return np.asarray(self.kind == WaitKind.STREAM_WAIT_EVENT, np.bool_)

    def taken(self, rows: Int64s) -> MadeWaits:
        """The waits of these rows."""
        return MadeWaits(**{name: getattr(self, name)[rows] for name in self.__slots__})


def made_waits(timeline: Timeline, streams: Streams) -> MadeWaits:
    """Waits by record, by call where there is no record, and copies that block their caller.

    A synchronisation record without a call (a library that uses the driver directly: Kineto writes only few driver
    calls) counts as a wait, except for events, where it could be a query.
    """
    parts = (_by_record(timeline, streams), _by_call(timeline, streams), _blocking_copies(timeline))
    joined = MadeWaits(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in MadeWaits.__slots__}
    )
    return joined.taken(np.lexsort((joined.span, timeline.spans.start_ns[joined.timed])))


def _by_record(timeline: Timeline, streams: Streams) -> MadeWaits:
    waits, names = timeline.waits, timeline.names
    call = timeline.links.launch[waits.span]
    call_name = np.where(call == NONE, NONE, timeline.spans.name[call])
    is_query = np.array([*(base_name(name) in QUERIES for name in names), False], np.bool_)[call_name]
    is_wait = waits.kind == np.append(_kinds_of_names(timeline), NONE)[call_name]
    is_wait |= (waits.kind == WaitKind.STREAM_WAIT_EVENT) | ((waits.kind != WaitKind.EVENT_SYNC) & ~is_query)
    rows = np.flatnonzero(is_wait)
    kind, stream, record = waits.kind[rows], waits.stream[rows], waits.record_correlation[rows]
    by_event = np.isin(kind, (WaitKind.STREAM_WAIT_EVENT, WaitKind.EVENT_SYNC))
    waiting_device = np.where(waits.device[rows] == NONE, streams.only_device, waits.device[rows]).astype(np.int32)
    device = np.where(by_event & (waits.device[rows] != NONE), waited_devices(timeline)[rows], waiting_device)
    waited = np.where(by_event, waits.waited_stream[rows], np.where(kind == WaitKind.STREAM_SYNC, stream, NONE))
    known = (kind == WaitKind.DEVICE_SYNC) | ((waited != NONE) & (~by_event | (record != NONE)))
    return MadeWaits(
        span=waits.span[rows],
        call=call[rows],
        kind=kind,
        is_copy=np.zeros(len(rows), np.bool_),
        is_resolved=known & (device != NONE),
        process=_process_of(timeline, waits.span[rows]),
        device=device.astype(np.int32),
        waiting_device=waiting_device,
        stream=waited,
        waiting_stream=np.where(kind == WaitKind.STREAM_WAIT_EVENT, stream, NONE),
        up_to=np.where(by_event, record, NONE),
    )


def _by_call(timeline: Timeline, streams: Streams) -> MadeWaits:
    """Kineto drops a stream's wait when the stream has no work in the window, and has no records at all without sync
    events; the calls are there all the same."""
    calls = timeline.spans.of_kind(Kind.CUDA_CALL)
    kinds = _kinds_of_names(timeline)[timeline.spans.name[calls]]
    recorded = np.zeros(len(timeline.spans) + 1, np.bool_)
    recorded[timeline.links.launch[timeline.waits.span]] = True
    chosen = (kinds != NONE) & ~recorded[calls]
    calls, kind = calls[chosen], kinds[chosen].astype(np.uint8)
    return _of_calls(
        timeline,
        calls,
        kind=kind,
        is_copy=np.zeros(len(calls), np.bool_),
        is_resolved=(kind == WaitKind.DEVICE_SYNC) & (streams.only_device != NONE),
        device=np.full(len(calls), streams.only_device, np.int32),
        stream=np.full(len(calls), NONE, np.int64),
        up_to=np.full(len(calls), NONE, np.int64),
    )


def _blocking_copies(timeline: Timeline) -> MadeWaits:
    """Copies to the host that return when the data is there: `cudaMemcpy`, and `cudaMemcpyAsync` to pageable memory
    (CUDA Runtime API, "API synchronization behavior")."""
    spans, ops = timeline.spans, timeline.device_ops
    rows = blocking_copies(timeline)
    copy, call = ops.span[rows], timeline.links.launch[ops.span[rows]]
    return _of_calls(
        timeline,
        call,
        kind=np.full(len(call), WaitKind.STREAM_SYNC, np.uint8),
        is_copy=np.ones(len(call), np.bool_),
        is_resolved=np.ones(len(call), np.bool_),
        device=ops.device[rows],
        stream=ops.stream[rows],
        up_to=spans.correlation[copy] + 1,
    )


def blocking_copies(timeline: Timeline) -> Int64s:
    """Rows of `device_ops` of the copies whose calls return when the data is on the host. A graph launch returns at
    once, whatever copies are in the graph."""
    spans, names, ops = timeline.spans, timeline.names, timeline.device_ops
    call = timeline.links.launch[ops.span]
    rows = np.flatnonzero((spans.kind[ops.span] == Kind.MEMCPY) & (call != NONE))
    is_copy = np.array([name.startswith(("cudaMemcpy", "cuMemcpy")) for name in names], np.bool_)
    is_async = np.array(["Async" in name for name in names], np.bool_)
    is_pageable = np.array(["Pageable" in name for name in names], np.bool_)
    at, what = spans.name[call[rows]], spans.name[ops.span[rows]]
    blocks = is_copy[at] & names_of_copies_to_host(timeline)[what] & (~is_async[at] | is_pageable[what])
    return rows[blocks]


def names_of_copies_to_host(timeline: Timeline) -> Bools:
    """For each of `Timeline.names`, whether copies to the host are called that: `Memcpy DtoH (Device -> Pinned)`."""
    return np.array(["DtoH" in name for name in timeline.names], np.bool_)


def names_of_copies_from_pinned(timeline: Timeline) -> Bools:
    """For each of `Timeline.names`, whether copies that read pinned host memory are called that. Pageable memory is
    copied to a buffer of the driver's before the call returns (CUDA Runtime API, "API synchronization behavior")."""
    return np.array(["HtoD" in name and "Pinned" in name for name in timeline.names], np.bool_)


def _of_calls(
    timeline: Timeline, calls: Int32s, *, kind: UInt8s, is_copy: Bools, is_resolved: Bools, device: Int32s,
    stream: Int64s, up_to: Int64s,
) -> MadeWaits:  # fmt: skip
    """Waits that are there as calls alone."""
    return MadeWaits(
        span=calls,
        call=calls,
        kind=kind,
        is_copy=is_copy,
        is_resolved=is_resolved,
        process=_process_of(timeline, calls),
        device=device,
        waiting_device=device,
        stream=stream,
        waiting_stream=np.full(len(calls), NONE, np.int64),
        up_to=up_to,
    )


def _kinds_of_names(timeline: Timeline) -> Int32s:
    """For each of `Timeline.names`, the `WaitKind` of calls of this name; NONE for those that don't wait."""
    return np.array([WAITING_CALLS.get(base_name(name), NONE) for name in timeline.names], np.int32)


def _process_of(timeline: Timeline, spans: Int32s) -> Int64s:
    of_lane: Int64s = np.array([lane.process for lane in timeline.lanes], np.int64)
    return of_lane[timeline.spans.lane[spans]]
