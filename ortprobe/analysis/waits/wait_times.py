"""Who waited for whom, and how long that really stalled them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from ortprobe.analysis.device_work import StreamKey, StreamWork, work_by_stream
from ortprobe.timeline import NONE, Kind, LaneKind, Timeline, WaitKind
from ortprobe.timeline.cuda_calls import QUERIES, base_name


class Waiter(StrEnum):
    HOST = "host"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One wait: a host call that blocks until device work is done, or a stream told to wait for an event."""

    span: int
    """The WAIT span, or the CUDA call where the trace holds no synchronisation records."""
    call: int
    """The CUDA call; NONE for a wait that no recorded call made."""
    name: str
    """`cudaStreamSynchronize`, `cudaStreamWaitEvent`, `cudaMemcpy` …"""
    waiter: Waiter
    waiter_lane: int
    """Index in `Timeline.lanes` of the thread or stream that waits."""
    device: int
    waited_streams: tuple[int, ...]
    """CUPTI ids of the streams waited for; empty when unresolved or when nothing was outstanding."""
    start_ns: int
    end_ns: int
    stall_ns: int | None
    """Host: how much of the call overlapped with work it waited for. Stream: how long work that was already launched
    was held back. None when the trace does not resolve what was waited for."""
    work: int
    """The last device work that was waited for (a span); NONE when there was none or it is unresolved."""
    held: int
    """The first device work behind a stream's wait (a span); NONE for host waits and when nothing follows."""
    run: int
    """Row in `Timeline.runs`; NONE outside runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTimes:
    """All waits in time order, and how well they resolve."""

    waits: tuple[Wait, ...]
    unresolved: int


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


def compute_waits(timeline: Timeline) -> WaitTimes:
    """Every wait of the host and of a stream, with what it waited for where the trace says so.

    A synchronisation record without a call (a library that uses the driver directly: Kineto writes only few driver
    calls) counts as a wait, except for events, where it could be a query.
    """
    scene = _Scene.of(timeline)
    waits = [*_recorded_waits(scene), *_waits_without_record(scene), *_blocking_copies(scene)]
    waits.sort(key=lambda wait: (wait.start_ns, wait.span))
    return WaitTimes(
        waits=tuple(waits),
        unresolved=sum(wait.stall_ns is None for wait in waits),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What every wait is looked up in."""

    timeline: Timeline
    work: Mapping[StreamKey, StreamWork]
    stream_lanes: Mapping[StreamKey, int]
    wait_kinds: Mapping[int, WaitKind]
    """Index in `Timeline.names` of each waiting call → what it does."""
    only_device: int
    """The device with work, when there is one alone: a call does not say which device it is for. Otherwise NONE."""

    @staticmethod
    def of(timeline: Timeline) -> _Scene:
        lanes = enumerate(timeline.lanes)
        names = enumerate(timeline.names)
        work = work_by_stream(timeline)
        devices = {device for device, _ in work}
        return _Scene(
            timeline=timeline,
            work=work,
            only_device=devices.pop() if len(devices) == 1 else NONE,
            stream_lanes={(lane.device, lane.stream): row for row, lane in lanes if lane.kind is LaneKind.STREAM},
            wait_kinds={row: WAITING_CALLS[base_name(name)] for row, name in names if base_name(name) in WAITING_CALLS},
        )

    def streams_of(self, process: int, device: int) -> list[StreamKey]:
        """A process waits for its own streams alone."""
        return [key for key, work in self.work.items() if key[0] == device and work.process == process]

    def is_query(self, call: int) -> bool:
        return call != NONE and base_name(self.timeline.name_of(call)) in QUERIES

    def kind_of_call(self, call: int) -> WaitKind | None:
        return self.wait_kinds.get(int(self.timeline.spans.name[call])) if call != NONE else None


def _recorded_waits(scene: _Scene) -> Iterator[Wait]:
    waits, launch = scene.timeline.waits, scene.timeline.links.launch
    for row, span in enumerate(waits.span.tolist()):
        kind = WaitKind(int(waits.kind[row]))
        call = int(launch[span])
        if kind is WaitKind.STREAM_WAIT_EVENT:
            yield _stream_wait(scene, row, span, call)
        elif scene.kind_of_call(call) is kind or (kind is not WaitKind.EVENT_SYNC and not scene.is_query(call)):
            yield _host_wait(scene, span, call, _waited_for(scene, row, kind))


def _waits_without_record(scene: _Scene) -> Iterator[Wait]:
    """Kineto drops a stream's wait when the stream has no work in the window, and has no records at all without sync
    events; the calls are there all the same."""
    timeline = scene.timeline
    spans = timeline.spans
    calls = spans.of_kind(Kind.CUDA_CALL)
    waiting = calls[np.isin(spans.name[calls], list(scene.wait_kinds))]
    for call in np.setdiff1d(waiting, timeline.links.launch[timeline.waits.span]).tolist():
        kind = scene.kind_of_call(call)
        if kind is WaitKind.DEVICE_SYNC and scene.only_device != NONE:
            streams = scene.streams_of(timeline.lane_of(call).process, scene.only_device)
            yield _host_wait(scene, call, call, _launched(scene, streams, int(spans.start_ns[call])))
        else:
            of_stream = kind is WaitKind.STREAM_WAIT_EVENT
            yield _unresolved(scene, call, call, Waiter.STREAM if of_stream else Waiter.HOST)


def _blocking_copies(scene: _Scene) -> Iterator[Wait]:
    """Copies to the host that return when the data is there: `cudaMemcpy`, and `cudaMemcpyAsync` to pageable memory
    (CUDA Runtime API, "API synchronization behavior")."""
    timeline = scene.timeline
    copies = timeline.spans.of_kind(Kind.MEMCPY)
    for copy in copies[timeline.links.launch[copies] != NONE].tolist():
        call = int(timeline.links.launch[copy])
        if _blocks(timeline.name_of(call), timeline.name_of(copy)):
            lane = timeline.lane_of(copy)
            key = (lane.device, lane.stream)
            before = scene.work[key].enqueued_before(int(timeline.spans.correlation[copy]))
            yield _host_wait(scene, call, call, [(key, before + 1)])


def _blocks(call: str, copy: str) -> bool:
    # A graph launch returns at once, whatever copies are in the graph.
    is_copy = call.startswith(("cudaMemcpy", "cuMemcpy"))
    return is_copy and "DtoH" in copy and ("Async" not in call or "Pageable" in copy)


_Outstanding = list[tuple[StreamKey, int]]
"""Streams waited for, each with how many pieces of its work."""


def _waited_for(scene: _Scene, row: int, kind: WaitKind) -> _Outstanding | None:
    """None when the trace does not say what the host waited for."""
    waits = scene.timeline.waits
    device, start_ns = int(waits.device[row]), int(scene.timeline.spans.start_ns[waits.span[row]])
    if kind is WaitKind.DEVICE_SYNC:
        process = scene.timeline.lane_of(int(waits.span[row])).process
        return _launched(scene, scene.streams_of(process, device), start_ns)
    if kind is WaitKind.STREAM_SYNC:
        return _launched(scene, [(device, int(waits.stream[row]))], start_ns)
    return _recorded_work(scene, row)


def _recorded_work(scene: _Scene, row: int) -> _Outstanding | None:
    """The work in front of the event that is waited for."""
    waits = scene.timeline.waits
    stream, record = int(waits.waited_stream[row]), int(waits.record_correlation[row])
    if NONE in (stream, record):
        return None
    key = (int(waits.device[row]), stream)
    return [(key, scene.work[key].enqueued_before(record))] if key in scene.work else []


def _launched(scene: _Scene, streams: list[StreamKey], before_ns: int) -> _Outstanding:
    return [(key, scene.work[key].launched_before(before_ns)) for key in streams if key in scene.work]


def _host_wait(scene: _Scene, span: int, call: int, outstanding: _Outstanding | None) -> Wait:
    wait = _unresolved(scene, span, call, Waiter.HOST)
    if outstanding is None:
        return wait
    last = {key: scene.work[key].done_before(count) for key, count in outstanding}
    running = {key: done for key, done in last.items() if done[0] > wait.start_ns}
    until_ns, work = max(running.values(), default=(wait.start_ns, NONE))
    return replace(
        wait,
        waited_streams=tuple(stream for _, stream in running),
        stall_ns=min(until_ns, wait.end_ns) - wait.start_ns,
        work=work,
    )


def _stream_wait(scene: _Scene, row: int, span: int, call: int) -> Wait:
    waits = scene.timeline.waits
    key = (int(waits.device[row]), int(waits.stream[row]))
    wait = replace(_unresolved(scene, span, call, Waiter.STREAM), waiter_lane=scene.stream_lanes.get(key, NONE))
    outstanding = _recorded_work(scene, row)
    if outstanding is None:
        return wait
    until_ns, work = scene.work[outstanding[0][0]].done_before(outstanding[0][1]) if outstanding else (0, NONE)
    stall_ns, held = _held_back(scene.work[key], scene.timeline, span, until_ns) if key in scene.work else (0, NONE)
    return replace(
        wait,
        waited_streams=tuple(stream for (_, stream), _ in outstanding) if work != NONE else (),
        stall_ns=stall_ns,
        work=work,
        held=held,
    )


def _held_back(waiting: StreamWork, timeline: Timeline, span: int, until_ns: int) -> tuple[int, int]:
    """(stall, held work): from when the stream was free and its next work launched, to the end of the waited work."""
    following = waiting.enqueued_before(int(timeline.spans.correlation[span]))
    if following == len(waiting.span):
        return 0, NONE
    free_ns, _ = waiting.done_before(following)
    begin_ns = max(free_ns, int(timeline.spans.start_ns[span]), int(waiting.launch_ns[following]))
    stall_ns = min(until_ns, int(waiting.start_ns[following])) - begin_ns
    return max(stall_ns, 0), int(waiting.span[following])


def _unresolved(scene: _Scene, span: int, call: int, waiter: Waiter) -> Wait:
    """A wait as far as its call and its record alone tell."""
    timeline = scene.timeline
    timed = call if call != NONE else span
    row = int(np.searchsorted(timeline.waits.span, span))
    recorded = row < len(timeline.waits.span) and timeline.waits.span[row] == span
    return Wait(
        span=span,
        call=call,
        name=timeline.name_of(timed),
        waiter=waiter,
        waiter_lane=int(timeline.spans.lane[call]) if waiter is Waiter.HOST and call != NONE else NONE,
        device=int(timeline.waits.device[row]) if recorded else scene.only_device,
        waited_streams=(),
        start_ns=int(timeline.spans.start_ns[timed]),
        end_ns=int(timeline.spans.end_ns[timed]),
        stall_ns=None,
        work=NONE,
        held=NONE,
        run=int(timeline.links.run[timed]),
    )
