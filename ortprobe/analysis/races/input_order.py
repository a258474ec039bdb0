"""Whether each run's inputs were written before the run read them, for the writes and bindings that hooks saw.

The order is seen where both are on one stream, where the host waited for the write before the run, or where the run's
stream was told to wait for the write's. Order through a third stream, or through another thread, is not followed. Where
no order is seen, a write that ends on the device after the run's first work that could read it has begun is an overlap:
whatever else there may be, it did not order the two. A write that ended earlier may have been lucky.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.waits.wait_times import WAITING_CALLS
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Lane, Timeline, WaitKind
from ortprobe.timeline.cuda_calls import QUERIES, base_name

_COPY_FROM_HOST = "Memcpy HtoD"  # Kineto's name for it, with the kinds of memory behind it


class Order(StrEnum):
    OVERLAP = "overlap"
    """The run began on the device before the write had ended, and nothing that was seen orders them."""
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
    """The first device work of the run that can read what is on the device."""
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
    writes = _Writes(timeline)
    work_of_hook = _WorkOfHooks(timeline)
    ordering = _Ordering(timeline)
    found = []
    for run, hook, inputs in _bound_runs(timeline):
        if run not in first_work:
            continue
        for buffer, bind in inputs.items():
            write = writes.last_into(bind, before=hook)
            written = work_of_hook.last(write) if write != NONE else NONE
            if written != NONE:
                name = timeline.names[buffer]
                found.append(_judge(timeline, ordering, run, name, write, written, first_work[run]))
    return InputOrder(writes=tuple(found))


def _judge(
    timeline: Timeline, ordering: _Ordering, run: int, buffer: str, write: int, written: int, first: int
) -> InputWrite:
    spans = timeline.spans
    slack_ns = int(spans.start_ns[first] - spans.end_ns[written])
    order = Order.OVERLAP if slack_ns < 0 else Order.UNSEEN
    if ordering.is_seen(written, first):
        order = Order.ORDERED  # also when they overlap: kernels of one stream may, by programmatic dependent launch
    return InputWrite(
        run=run, buffer=buffer, write_hook=write, write_span=written, first_span=first, order=order, slack_ns=slack_ns
    )


def _bound_runs(timeline: Timeline) -> Iterator[tuple[int, int, dict[int, int]]]:
    """(run, hook row, name of each bound input → hook row of its bind) of the runs with an IOBinding, in time order."""
    hooks = timeline.hooks
    run_of_hook = dict(zip(hooks.rows_of(timeline.runs.hook_span).tolist(), range(len(timeline.runs)), strict=True))
    clearing = [number for number, name in enumerate(timeline.names) if name == "clear_binding_inputs"]
    clears = np.isin(hooks.what, clearing)
    binds = (hooks.buffer != NONE) & (hooks.read_bytes > 0)
    bound: dict[int, dict[int, int]] = {}
    for row in np.flatnonzero((hooks.binding != NONE) & ~hooks.failed).tolist():
        binding = int(hooks.binding[row])
        if clears[row]:
            bound.pop(binding, None)
        elif binds[row]:
            bound.setdefault(binding, {})[int(hooks.buffer[row])] = row
        if row in run_of_hook:
            yield run_of_hook[row], row, dict(bound.get(binding, {}))


def _first_work(timeline: Timeline) -> dict[int, int]:
    """Run → its earliest device work that can read a device buffer: fills and copies from the host can't."""
    ops = timeline.device_ops.span
    from_host = [number for number, name in enumerate(timeline.names) if name.startswith(_COPY_FROM_HOST)]
    spans = timeline.spans
    ops = ops[(spans.kind[ops] != Kind.MEMSET) & ~np.isin(spans.name[ops], from_host)]
    runs = timeline.links.run[ops]
    first: dict[int, int] = {}
    for span, run in zip(ops.tolist(), runs.tolist(), strict=True):
        if run != NONE:
            first.setdefault(run, span)
    return first


class _Writes:
    """Hooked writes by the memory they go into. A loop binds the same buffers over and over, so each is sought once."""

    def __init__(self, timeline: Timeline) -> None:
        self._hooks = timeline.hooks
        self._rows = np.flatnonzero((self._hooks.write_bytes > 0) & ~self._hooks.failed)
        self._start = self._hooks.write_address[self._rows]
        self._end = self._start + self._hooks.write_bytes[self._rows]
        processes = np.array([lane.process for lane in timeline.lanes], np.int64)
        self._process = processes[timeline.spans.lane[self._hooks.span]] if len(processes) else self._rows
        self._into: dict[tuple[int, int, int], Int64s] = {}

    def last_into(self, bind: int, *, before: int) -> int:
        """Hook row of the last write before the row `before` into what `bind` bound; NONE when there is none."""
        start = int(self._hooks.read_address[bind])
        end, process = start + int(self._hooks.read_bytes[bind]), int(self._process[bind])
        if (start, end, process) not in self._into:
            into = (self._start < end) & (self._end > start) & (self._process[self._rows] == process)
            self._into[start, end, process] = self._rows[into]
        rows = self._into[start, end, process]
        earlier = int(np.searchsorted(rows, before))
        return int(rows[earlier - 1]) if earlier else NONE


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
        self._waits = _WaitCalls.of(timeline)
        names = [number for number, name in enumerate(timeline.names) if _is_device_sync(name)]
        spans = timeline.spans
        self._device_syncs = np.flatnonzero((spans.kind == Kind.CUDA_CALL) & np.isin(spans.name, names))
        self._one_device = len(np.unique(timeline.device_ops.device)) == 1

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
        return self._device_synchronized(thread, since_ns, until_ns) or self._waited(
            written, run_lane, thread, since_ns, until_ns
        )

    def _waited(self, written: int, run_lane: Lane, thread: int, since_ns: int, until_ns: int) -> bool:
        """Whether a wait between the write's launch and the run's puts one before the other.

        Stream ids count within a device, and which device a waited event belongs to is not recorded: so all must be
        of one device.
        """
        calls, waits, written_on = self._waits, self._timeline.waits, self._timeline.lane_of(written)
        between = slice(*np.searchsorted(calls.start_ns, (since_ns, until_ns)).tolist())
        rows = calls.row[between]
        recorded_behind = (waits.waited_stream[rows] == written_on.stream) & (
            waits.record_correlation[rows] > self._timeline.spans.correlation[written]
        )
        kind, stream = waits.kind[rows], waits.stream[rows]
        told = (kind == WaitKind.STREAM_WAIT_EVENT) & (stream == run_lane.stream) & recorded_behind
        on_stream = (kind == WaitKind.STREAM_SYNC) & (stream == written_on.stream)
        on_event = (kind == WaitKind.EVENT_SYNC) & recorded_behind
        on_device = kind == WaitKind.DEVICE_SYNC
        returned = (calls.lane[between] == thread) & (calls.end_ns[between] <= until_ns) & calls.blocks[between]
        here = (waits.device[rows] == written_on.device) & (run_lane.device == written_on.device)
        here |= (on_stream | on_device) & (waits.device[rows] == written_on.device)
        return bool((here & (told | ((on_stream | on_event | on_device) & returned))).any())

    def _device_synchronized(self, thread: int, since_ns: int, until_ns: int) -> bool:
        """By the calls alone, which don't say what device they are for, where there is one alone."""
        spans, calls = self._timeline.spans, self._device_syncs
        between = calls[slice(*np.searchsorted(spans.start_ns[calls], (since_ns, until_ns)).tolist())]
        returned = (spans.end_ns[between] <= until_ns) & (spans.lane[between] == thread)
        return self._one_device and bool(returned.any())


@dataclass(frozen=True, slots=True, kw_only=True)
class _WaitCalls:
    """The calls behind the synchronisation records, in order of their start."""

    row: Int64s
    """Row in `Timeline.waits`."""
    start_ns: Int64s
    end_ns: Int64s
    lane: Int32s
    """NONE where the trace holds no call."""
    blocks: Bools
    """False for queries."""

    @classmethod
    def of(cls, timeline: Timeline) -> _WaitCalls:
        spans, waits = timeline.spans, timeline.waits
        call = timeline.links.launch[waits.span]
        made_by = np.where(call == NONE, waits.span, call)
        row = np.argsort(spans.start_ns[made_by], kind="stable")
        call, made_by = call[row], made_by[row]
        queries = [number for number, name in enumerate(timeline.names) if base_name(name) in QUERIES]
        return cls(
            row=row,
            start_ns=spans.start_ns[made_by],
            end_ns=spans.end_ns[made_by],
            lane=np.where(call == NONE, NONE, spans.lane[made_by]).astype(np.int32),
            blocks=~np.isin(spans.name[made_by], queries),
        )


def _is_device_sync(call: str) -> bool:
    return WAITING_CALLS.get(base_name(call)) is WaitKind.DEVICE_SYNC


def has_device_bindings(timeline: Timeline) -> bool:
    """Whether the capture holds device work and runs with bindings, so that there is an order to look for."""
    return bool(len(timeline.spans.of_kind(Kind.KERNEL))) and any(True for _ in _bound_runs(timeline))
