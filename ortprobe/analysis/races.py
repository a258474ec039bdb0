"""Whether each run's inputs were written before the run read them, for the writes and bindings that hooks saw.

A write that ends on the device after the run's first device work has begun was ordered by nothing: that is an overlap,
and no knowledge of events or streams can explain it away. A write that ended earlier may have been lucky, so it counts
as ordered only where the order is seen: the same stream, a host wait for it before the run, or a stream wait from the
run's stream to the write's. Order through a third stream, or through another thread, is not followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.timeline import NONE, Bools, Kind, Timeline, WaitKind

_QUERIES = ("cudaEventQuery", "cudaStreamQuery")
"""CUPTI records these as synchronisations too, and they wait for nothing (kineto, CUPTI 12.9 and later)."""


class Order(StrEnum):
    OVERLAP = "overlap"
    """The run began on the device before the write had ended."""
    ORDERED = "ordered"
    UNSEEN = "unseen"
    """The write ended first, and nothing that was seen made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputWrite:
    """The last write to one bound input before one run."""

    run: int
    """Row in `Timeline.runs`."""
    buffer: str
    """Name of the input."""
    write_hook: int
    """Row in `Timeline.hooks`."""
    write_span: int
    """The device work that wrote."""
    first_span: int
    """The first device work of the run."""
    order: Order
    slack_ns: int
    """From the end of the write to the start of the run on the device; negative for an overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOrder:
    """All such writes, in the order of the runs."""

    writes: tuple[InputWrite, ...]


def compute_races(timeline: Timeline) -> InputOrder:
    """Judge every run with a binding whose device work and input writes the capture holds."""
    first_work = _first_work(timeline)
    work_of_hook = _WorkOfHooks(timeline)
    ordering = _Ordering(timeline)
    found = []
    for run, hook in _bound_runs(timeline):
        if run not in first_work:
            continue
        for buffer, write in _last_writes(timeline, hook):
            written = work_of_hook.last(write)
            if written != NONE:
                found.append(_judge(timeline, ordering, run, buffer, write, written, first_work[run]))
    return InputOrder(writes=tuple(found))


def _judge(
    timeline: Timeline, ordering: _Ordering, run: int, buffer: str, write: int, written: int, first: int
) -> InputWrite:
    spans = timeline.spans
    slack_ns = int(spans.start_ns[first] - spans.end_ns[written])
    order = Order.OVERLAP if slack_ns < 0 else Order.UNSEEN
    if order is Order.UNSEEN and ordering.is_seen(written, first):
        order = Order.ORDERED
    return InputWrite(
        run=run, buffer=buffer, write_hook=write, write_span=written, first_span=first, order=order, slack_ns=slack_ns
    )


def _bound_runs(timeline: Timeline) -> list[tuple[int, int]]:
    """(run, hook row) of the runs with an IOBinding."""
    hooks = timeline.hooks
    row_of_span = {int(span): row for row, span in enumerate(hooks.span)}
    rows = [(run, row_of_span.get(int(span), NONE)) for run, span in enumerate(timeline.runs.hook_span)]
    return [(run, row) for run, row in rows if row != NONE and hooks.binding[row] != NONE]


def _first_work(timeline: Timeline) -> dict[int, int]:
    """Run → its earliest device work."""
    ops = timeline.device_ops.span
    runs = timeline.links.run[ops]
    first: dict[int, int] = {}
    for span, run in zip(ops.tolist(), runs.tolist(), strict=True):
        if run != NONE:
            first.setdefault(run, span)
    return first


def _last_writes(timeline: Timeline, hook: int) -> list[tuple[str, int]]:
    """(input, hook row) of the last hooked write into each input bound when the run began."""
    hooks, found = timeline.hooks, []
    earlier = np.arange(hook)
    of_binding = earlier[(hooks.binding[:hook] == hooks.binding[hook]) & (hooks.read_bytes[:hook] > 0)]
    bound = {int(hooks.buffer[row]): row for row in of_binding.tolist() if hooks.buffer[row] != NONE}
    for buffer, row in bound.items():
        start, end = hooks.read_address[row], hooks.read_address[row] + hooks.read_bytes[row]
        write_start, write_end = hooks.write_address[:hook], hooks.write_address[:hook] + hooks.write_bytes[:hook]
        writes = np.flatnonzero((write_start < end) & (write_end > start) & (hooks.write_bytes[:hook] > 0))
        if len(writes):
            found.append((timeline.names[buffer], int(writes[-1])))
    return found


class _WorkOfHooks:
    """Device work by the hooked call that launched it."""

    def __init__(self, timeline: Timeline) -> None:
        self._spans = timeline.spans
        ops = timeline.device_ops.span
        launch = timeline.links.launch[ops]
        launched = launch != NONE
        order = np.argsort(timeline.spans.start_ns[launch[launched]], kind="stable")
        self._ops = ops[launched][order]
        self._launch_ns = timeline.spans.start_ns[launch[launched]][order]
        self._lane = timeline.spans.lane[launch[launched]][order]
        self._hooks = timeline.hooks.span

    def last(self, hook: int) -> int:
        """The latest-ending device work launched inside a hooked call; NONE when it launched nothing in the trace."""
        span = int(self._hooks[hook])
        first = np.searchsorted(self._launch_ns, self._spans.start_ns[span], side="left")
        past = np.searchsorted(self._launch_ns, self._spans.end_ns[span], side="left")
        ops = self._ops[first:past][self._lane[first:past] == self._spans.lane[span]]
        return int(ops[np.argmax(self._spans.end_ns[ops])]) if len(ops) else NONE


class _Ordering:
    """Looks for a direct order between a write and a run: one stream, a host wait, a stream wait."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        spans, waits = timeline.spans, timeline.waits
        call = timeline.links.launch[waits.span]
        made_by = np.where(call == NONE, waits.span, call)
        self._wait_ns = spans.start_ns[made_by]
        self._wait_end_ns = spans.end_ns[made_by]
        self._wait_lane = np.where(call == NONE, NONE, spans.lane[made_by])
        queries = [number for number, name in enumerate(timeline.names) if name in _QUERIES]
        self._blocks = ~np.isin(spans.name[made_by], queries)
        device_syncs = [number for number, name in enumerate(timeline.names) if name == "cudaDeviceSynchronize"]
        self._device_syncs = np.flatnonzero((spans.kind == Kind.CUDA_CALL) & np.isin(spans.name, device_syncs))

    def is_seen(self, written: int, first: int) -> bool:
        """Whether the write was made to end before the run's first device work."""
        spans, launch = self._timeline.spans, self._timeline.links.launch
        write_lane, run_lane = self._timeline.lane_of(written), self._timeline.lane_of(first)
        if (write_lane.device, write_lane.stream) == (run_lane.device, run_lane.stream):
            return True
        if NONE in (launch[written], launch[first]):
            return False
        since_ns, until_ns = int(spans.end_ns[launch[written]]), int(spans.start_ns[launch[first]])
        thread = int(spans.lane[launch[written]])
        return self._device_synchronized(thread, since_ns, until_ns) or bool(
            self._ordering_waits(written, run_lane.stream, thread, since_ns, until_ns).any()
        )

    def _ordering_waits(self, written: int, run_stream: int, thread: int, since_ns: int, until_ns: int) -> Bools:
        """The synchronisation records between the write's launch and the run's that put one before the other."""
        waits = self._timeline.waits
        write_stream = self._timeline.lane_of(written).stream
        between = (self._wait_ns >= since_ns) & (self._wait_ns < until_ns)
        recorded_behind = (waits.waited_stream == write_stream) & (
            waits.record_correlation > self._timeline.spans.correlation[written]
        )
        told = (waits.kind == WaitKind.STREAM_WAIT_EVENT) & (waits.stream == run_stream) & recorded_behind
        on_stream = (waits.kind == WaitKind.STREAM_SYNC) & (waits.stream == write_stream)
        on_event = (waits.kind == WaitKind.EVENT_SYNC) & recorded_behind
        returned = (self._wait_lane == thread) & (self._wait_end_ns <= until_ns) & self._blocks
        ordering: Bools = between & (told | ((on_stream | on_event) & returned))
        return ordering

    def _device_synchronized(self, thread: int, since_ns: int, until_ns: int) -> bool:
        spans, calls = self._timeline.spans, self._device_syncs
        inside = (spans.start_ns[calls] >= since_ns) & (spans.end_ns[calls] <= until_ns)
        return bool((inside & (spans.lane[calls] == thread)).any())


def has_device_bindings(timeline: Timeline) -> bool:
    """Whether the capture holds device work and runs with bindings, so that there is an order to look for."""
    return bool(len(timeline.spans.of_kind(Kind.KERNEL))) and bool(_bound_runs(timeline))
