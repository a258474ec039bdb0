"""A capture as the steps that `check_order` takes: every call that orders something, every access, every hand-over."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.races.accesses import Accesses
from ortprobe.analysis.races.awaited import Awaited
from ortprobe.analysis.races.cells import Cells
from ortprobe.analysis.races.steps import (
    Certainty,
    DeviceSync,
    EventSync,
    Give,
    HostAccess,
    Program,
    Record,
    Step,
    StreamSync,
    StreamWait,
    Take,
    Touch,
    Work,
)
from ortprobe.analysis.races.streams import StreamNumbers
from ortprobe.analysis.waits.made_waits import WAITING_CALLS
from ortprobe.timeline import NONE, Int64s, Kind, Timeline, WaitKind
from ortprobe.timeline.cuda_calls import EVENT_RECORDS, PAGEABLE_TO_DEVICE, QUERIES, base_name

_MAY_WAIT = (
    "cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaMallocHost", "cudaFreeHost", "cudaHostRegister",
    "cudaHostUnregister", "cuModuleLoadData", "cuModuleLoadDataEx", "cuModuleLoadFatBinary", "cuModuleUnload",
)  # fmt: skip
"""Calls that wait for the device in practice, or may, and don't promise to."""


@dataclass(frozen=True, slots=True)
class _At:
    """A step and its place in the order of all: by time, then by correlation id, then as they were found."""

    time_ns: int
    correlation: int
    step: Step


def program_of(timeline: Timeline, accesses: Accesses, left_out: Set[int] = frozenset()) -> Program:
    """All steps of a capture, in the order in which the calls were made, but for the waits of some calls (spans)."""
    translation = _Translation(timeline, accesses)
    found = [*translation.work(), *translation.calls(left_out), *translation.orphans(), *translation.on_host()]
    found += translation.handovers()
    found.sort(key=lambda at: (at.time_ns, at.correlation))
    return Program(
        streams=translation.streams.streams,
        threads=len(timeline.lanes),
        steps=[at.step for at in found],
    )


class _Translation:
    """Threads go by their lanes, events by the span of the call that recorded them."""

    def __init__(self, timeline: Timeline, accesses: Accesses) -> None:
        self._timeline, self._accesses = timeline, accesses
        self.streams = StreamNumbers(timeline)
        self.cells = Cells([(access.start, access.past) for access in accesses.found])
        self._awaited = Awaited(timeline, self.streams)
        self._base = [base_name(name) for name in timeline.names]

    def work(self) -> Iterator[_At]:
        """Launches with what they touch; of those that touch nothing, the ones that can carry an order on."""
        timeline, spans = self._timeline, self._timeline.spans
        ops = timeline.device_ops.span
        ops = ops[timeline.links.launch[ops] != NONE]
        launch = timeline.links.launch[ops]
        touching = np.isin(ops, list(self._accesses.at_work))
        for at in np.flatnonzero(touching | self._carries(ops, launch)).tolist():
            call, span = int(launch[at]), int(ops[at])
            stream, thread = self.streams.of_lane(timeline.lane_of(span)), int(spans.lane[call])
            time_ns, correlation = int(spans.start_ns[call]), int(spans.correlation[call])
            before, after = self._around_copy(call, span, thread, stream)
            for step in (*before, Work(thread, stream, self._touches(span)), *after):
                yield _At(time_ns, correlation, step)

    def _touches(self, span: int) -> tuple[Touch, ...]:
        return tuple(self._touch(number, is_checked=begins) for number, begins in self._accesses.at_work.get(span, ()))

    def _touch(self, number: int, *, is_checked: bool) -> Touch:
        access = self._accesses.found[number]
        first, past = self.cells.of(access.start, access.past)
        return Touch(number, first, past, access.writes, is_checked)

    def _carries(self, ops: Int64s, launch: Int64s) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """The first launch of a thread on a stream after each call of the thread that may have waited; copies, which
        may wait themselves; and all of a legacy stream beside streams that may be blocking."""
        timeline, spans = self._timeline, self._timeline.spans
        waiting = self._calls_named((*WAITING_CALLS, *QUERIES, *_MAY_WAIT))
        lane, count = spans.lane[launch].astype(np.int64), np.zeros(len(launch), np.int64)
        takes = timeline.handovers
        times = np.concatenate((spans.start_ns[waiting], takes.at_ns))
        lanes = np.concatenate((spans.lane[waiting], takes.lane))
        for each in np.unique(lane).tolist():
            own = np.sort(times[lanes == each])
            mine = lane == each
            count[mine] = np.searchsorted(own, spans.start_ns[launch[mine]])
        keys = np.stack((spans.lane[ops], lane, count))
        first = np.zeros(len(ops), np.bool_)
        if len(ops):
            first[np.unique(keys, axis=1, return_index=True)[1]] = True
        is_copy = spans.kind[ops] == Kind.MEMCPY
        return np.asarray(first | is_copy | self._on_legacy(ops), np.bool_)

    def _on_legacy(self, ops: Int64s) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        lanes = self._timeline.spans.lane[ops]
        known = {lane: self.streams.of_lane(self._timeline.lanes[lane]) for lane in np.unique(lanes).tolist()}
        streams = self.streams.streams
        mixed = {about.device for about in streams if not about.is_legacy and about.is_blocking is not False}
        chosen = [
            lane for lane, number in known.items() if streams[number].is_legacy and streams[number].device in mixed
        ]
        return np.isin(lanes, chosen)

    def _around_copy(self, call: int, span: int, thread: int, stream: int) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """How long a copy holds its caller (CUDA Runtime API, "API synchronization behavior")."""
        timeline = self._timeline
        if timeline.spans.kind[span] != Kind.MEMCPY:
            return (), ()
        base, what = self._base[timeline.spans.name[call]], timeline.name_of(span)
        if "Async" in base or not base.startswith(("cudaMemcpy", "cuMemcpy")):
            is_late = "DtoH" in what and "Pageable" in what
            return (), (StreamSync(thread, stream, Certainty.SOFT),) if is_late else ()
        if PAGEABLE_TO_DEVICE in what:
            return (StreamSync(thread, stream),), (StreamSync(thread, stream, Certainty.SOFT),)
        return (), () if "DtoD" in what else (StreamSync(thread, stream),)

    def calls(self, left_out: Set[int]) -> Iterator[_At]:
        """Calls that record, wait, ask, or may wait."""
        spans = self._timeline.spans
        for call in self._calls_named((*WAITING_CALLS, *QUERIES, *_MAY_WAIT, *EVENT_RECORDS)).tolist():
            if call in left_out:
                continue
            step = self._step(call, self._base[spans.name[call]], int(spans.lane[call]))
            if step is not None:
                yield _At(int(spans.start_ns[call]), int(spans.correlation[call]), step)

    def _step(self, call: int, name: str, thread: int) -> Step | None:
        awaited = self._awaited
        if name in EVENT_RECORDS:
            stream = awaited.recorded_on(call)
            return None if stream is None else Record(thread, stream, call)
        if name in _MAY_WAIT:
            return DeviceSync(thread, awaited.device_of(call), Certainty.SOFT)
        kind = WAITING_CALLS.get(name)
        is_open = name in QUERIES and not awaited.was_done(call)
        certainty = Certainty.OPTIMISTIC if is_open else Certainty.STRICT
        if kind is WaitKind.DEVICE_SYNC:
            return DeviceSync(thread, awaited.device_of(call))
        if kind is WaitKind.STREAM_WAIT_EVENT:
            return StreamWait(thread, awaited.waiting_stream(call), awaited.event(call))
        if kind is WaitKind.EVENT_SYNC or "Event" in name:
            return EventSync(thread, awaited.event(call), certainty)
        return StreamSync(thread, awaited.synchronised_stream(call), certainty)

    def orphans(self) -> Iterator[_At]:
        """Synchronisation records without a call: a library used the driver, on a thread that nobody knows."""
        timeline, spans, waits = self._timeline, self._timeline.spans, self._timeline.waits
        awaited = self._awaited
        for row in np.flatnonzero(timeline.links.launch[waits.span] == NONE).tolist():
            span, kind = int(waits.span[row]), int(waits.kind[row])
            step: Step
            if kind == WaitKind.STREAM_WAIT_EVENT:
                step = StreamWait(None, awaited.stream_of_row(row), awaited.event_of_row(row))
            elif kind == WaitKind.EVENT_SYNC:
                step = EventSync(None, awaited.event_of_row(row))
            elif kind == WaitKind.STREAM_SYNC:
                step = StreamSync(None, awaited.stream_of_row(row))
            else:
                step = DeviceSync(None, None)
            yield _At(int(spans.start_ns[span]), int(spans.correlation[span]), step)

    def on_host(self) -> Iterator[_At]:
        """Accesses that threads make themselves."""
        spans = self._timeline.spans
        for span, number in self._accesses.on_host:
            step = HostAccess(int(spans.lane[span]), (self._touch(number, is_checked=True),))
            yield _At(int(spans.start_ns[span]), NONE, step)

    def handovers(self) -> list[_At]:
        sides = self._timeline.handovers
        columns = (sides.at_ns.tolist(), sides.lane.tolist(), sides.token.tolist(), sides.gives.tolist())
        return [
            _At(at_ns, NONE, Give(lane, token) if gives else Take(lane, token))
            for at_ns, lane, token, gives in zip(*columns, strict=True)
        ]

    def _calls_named(self, names: tuple[str, ...]) -> Int64s:
        wanted = np.array([base in names for base in self._base], np.bool_)
        calls = self._timeline.spans.of_kind(Kind.CUDA_CALL)
        return calls[wanted[self._timeline.spans.name[calls]]].astype(np.int64)
