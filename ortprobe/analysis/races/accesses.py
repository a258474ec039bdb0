"""Who read and wrote the memory that sessions have bound: runs, hooked copies, operations of torch."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ortprobe.analysis.races.launched_work import LaunchedWork
from ortprobe.timeline import NONE, Int32s, Kind, Timeline
from ortprobe.timeline.groups import rows_by_value

_COPY_FROM_HOST = "Memcpy HtoD"
_NO_ACCESS = ("record_stream", "from_dlpack", "to_dlpack", "fetch", "feed", "io_binding")
"""Hooked calls with ranges that they neither read nor write themselves; and all that bind."""
_ON_HOST = ("bind_cpu_input",)
_PROCESS_BITS = 80
"""Addresses of two processes differ in the bits above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAccess:
    """One call or run that reads or writes a stretch of memory."""

    what: str
    """`run_with_iobinding`, `copy_`, `aten::mul` …"""
    run: int
    """Row in `Timeline.runs`; NONE for what is no run."""
    hook: int
    """Row in `Timeline.hooks` of the call; NONE where it was none."""
    buffer: str
    """Name of the input or output; empty for what is no run."""
    writes: bool
    is_exact: bool
    """Whether these very bytes are touched; otherwise some of them."""
    start: int
    past: int
    """Addresses from `start` up to `past`, in numbers that differ from process to process."""
    begin: int
    """The first device work that can touch it; the call itself for one that touches it on the host."""
    end: int
    """The last such work."""


@dataclass(slots=True)
class Accesses:
    """All accesses, and the device work or the call at which each takes place."""

    found: list[MemoryAccess] = field(default_factory=list)
    at_work: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)
    """Device work (a span) → (index in `found`, whether it begins there); a run goes on until its last work."""
    on_host: list[tuple[int, int]] = field(default_factory=list)
    """(span of the call, index in `found`)."""

    def add(self, access: MemoryAccess, begins_at: list[int], lasts_to: list[int]) -> None:
        number = len(self.found)
        self.found.append(access)
        for span in begins_at:
            self.at_work.setdefault(span, []).append((number, True))
        for span in lasts_to:
            if span not in begins_at:
                self.at_work.setdefault(span, []).append((number, False))


def find_accesses(timeline: Timeline) -> Accesses:
    """Every access that was seen to memory that was bound to a session, or handed to a run."""
    accesses, launched = Accesses(), LaunchedWork(timeline)
    bound = _Bound(timeline)
    _add_runs(timeline, bound, accesses)
    _add_calls(timeline, bound, launched, accesses)
    _add_uses(timeline, bound, launched, accesses)
    return accesses


class _Bound:
    """The memory that is of interest, and which of it each run was given."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline, hooks = timeline, timeline.hooks
        processes = np.array([lane.process for lane in timeline.lanes], np.int64)
        distinct = np.unique(processes)
        of_lane = np.searchsorted(distinct, processes)
        self.process = of_lane[timeline.spans.lane[hooks.span]] if len(processes) else hooks.span
        self.process_of_lane = of_lane
        self.name = np.array(timeline.names, object)[hooks.what] if len(hooks.what) else np.zeros(0, object)
        self.binds = np.array([str(name).startswith("bind_") for name in self.name], np.bool_)
        named = (self.binds | np.isin(self.name, ("feed", "fetch"))) & ~hooks.failed
        self._stretches = sorted(
            {
                (start, past)
                for row in np.flatnonzero(named).tolist()
                for start, past in (self.stretch(row, writes=False), self.stretch(row, writes=True))
                if past > start
            }
        )
        self._starts, self._pasts = _joined(self._stretches)

    def stretch(self, row: int, *, writes: bool) -> tuple[int, int]:
        """The addresses that a hooked call names."""
        hooks = self._timeline.hooks
        address = int((hooks.write_address if writes else hooks.read_address)[row])
        size = int((hooks.write_bytes if writes else hooks.read_bytes)[row])
        return self.placed(address, size, int(self.process[row]))

    def placed(self, address: int, size_bytes: int, process: int) -> tuple[int, int]:
        start = address + (process << _PROCESS_BITS)
        return start, start + size_bytes

    def concerns(self, start: int, past: int) -> bool:
        """Whether any of these addresses was bound."""
        at = _before(self._starts, past)
        return past > start and at >= 0 and self._pasts[at] > start

    def runs(self) -> Iterator[tuple[int, int, dict[tuple[int, bool], int]]]:
        """(run, its hook, (name of a buffer, whether the run writes it) → the call that says where it lies)."""
        timeline, hooks = self._timeline, self._timeline.hooks
        run_of_hook = dict(zip(hooks.rows_of(timeline.runs.hook_span).tolist(), range(len(timeline.runs)), strict=True))
        given = self._given()
        bound: dict[int, dict[tuple[int, bool], int]] = {}
        for row in np.flatnonzero(((hooks.binding != NONE) | np.isin(np.arange(len(hooks.span)), list(run_of_hook)))
                                  & ~hooks.failed).tolist():  # fmt: skip
            binding, name = int(hooks.binding[row]), self.name[row]
            if name in ("clear_binding_inputs", "clear_binding_outputs"):
                wrote = name == "clear_binding_outputs"
                kept = bound.get(binding, {}).items()
                bound[binding] = {key: bind for key, bind in kept if key[1] != wrote}
            elif self.binds[row] and hooks.buffer[row] != NONE:
                bound.setdefault(binding, {})[int(hooks.buffer[row]), "output" in name] = row
            if row in run_of_hook:
                own = bound.get(binding, {}) if binding != NONE else {}
                yield run_of_hook[row], row, {**own, **given.get(self._place(row), {})}

    def _given(self) -> dict[tuple[int, int], dict[tuple[int, bool], int]]:
        """Buffers that runs without a binding were handed: noted at the run's start, on its thread."""
        hooks, found = self._timeline.hooks, dict[tuple[int, int], dict[tuple[int, bool], int]]()
        for row in np.flatnonzero(np.isin(self.name, ("feed", "fetch"))).tolist():
            found.setdefault(self._place(row), {})[int(hooks.buffer[row]), self.name[row] == "fetch"] = row
        return found

    def _place(self, row: int) -> tuple[int, int]:
        span = int(self._timeline.hooks.span[row])
        return int(self._timeline.spans.lane[span]), int(self._timeline.spans.start_ns[span])


def _add_runs(timeline: Timeline, bound: _Bound, accesses: Accesses) -> None:
    """A run reads its inputs from its first work on each stream until its last there, and has written its outputs by
    its last work of all."""
    work = _WorkOfRuns(timeline)
    for run, hook, buffers in bound.runs():
        if run not in work.of_run:
            continue
        reading, lasting, last = work.reading(run), work.last_reading(run), int(work.of_run[run][-1])
        for (buffer, writes), bind in buffers.items():
            start, past = bound.stretch(bind, writes=writes)
            if past <= start:
                continue
            on_host = _is_on_host(timeline, bound, bind)
            if on_host and writes:
                continue  # onnxruntime's copy to the host has arrived when the run returns
            span = int(timeline.hooks.span[hook])
            begin = span if on_host else last if writes or not reading else reading[0]
            access = MemoryAccess(
                what=str(bound.name[hook]), run=run, hook=hook, buffer=timeline.names[buffer], writes=writes,
                is_exact=True, start=start, past=past, begin=begin, end=span if on_host else last,
            )  # fmt: skip
            if on_host:
                accesses.on_host.append((span, len(accesses.found)))
                accesses.found.append(access)
            else:
                accesses.add(access, [last] if writes else reading, [last] if writes else lasting)


def _is_on_host(timeline: Timeline, bound: _Bound, bind: int) -> bool:
    device = int(timeline.hooks.device[bind])
    return bound.name[bind] in _ON_HOST or (device != NONE and timeline.names[device] == "cpu")


class _WorkOfRuns:
    """Each run's device work in the order in which it was launched."""

    def __init__(self, timeline: Timeline) -> None:
        ops, spans, links = timeline.device_ops, timeline.spans, timeline.links
        launch = links.launch[ops.span]
        rows = np.flatnonzero((links.run[ops.span] != NONE) & (launch != NONE))
        rows = rows[np.argsort(spans.start_ns[launch[rows]], kind="stable")]
        self._lane = spans.lane
        from_host = np.array([name.startswith(_COPY_FROM_HOST) for name in timeline.names], np.bool_)
        self._reads = (spans.kind != Kind.MEMSET) & ~from_host[spans.name]
        own = ops.span[rows]
        self.of_run: dict[int, Int32s] = {run: own[at] for run, at in rows_by_value(links.run[own])}

    def reading(self, run: int) -> list[int]:
        """The first work on each stream that can read what is on the device: fills and copies from the host can't."""
        own = self.of_run[run]
        return self._first_of_lanes(own[self._reads[own]])

    def last_reading(self, run: int) -> list[int]:
        """The last such work on each: libraries fill their workspaces on streams of their own."""
        own = self.of_run[run][::-1]
        return self._first_of_lanes(own[self._reads[own]])

    def _first_of_lanes(self, own: Int32s) -> list[int]:
        _, first = np.unique(self._lane[own], return_index=True)
        return [int(span) for span in own[np.sort(first)]]


def _add_calls(timeline: Timeline, bound: _Bound, launched: LaunchedWork, accesses: Accesses) -> None:
    """Hooked copies and the like, at the last device work that they launched."""
    hooks = timeline.hooks
    copies = ((hooks.read_bytes > 0) | (hooks.write_bytes > 0)) & ~bound.binds & ~np.isin(bound.name, _NO_ACCESS)
    for row in np.flatnonzero(copies & ~hooks.failed).tolist():
        span = int(hooks.span[row])
        sides = [(bound.stretch(row, writes=writes), writes) for writes in (False, True)]
        sides = [(stretch, writes) for stretch, writes in sides if bound.concerns(*stretch)]
        work = launched.within(span) if sides else []
        if not work:
            _add_on_host(timeline, bound, row, sides, accesses)
            continue
        for (start, past), writes in sides:
            access = MemoryAccess(
                what=str(bound.name[row]), run=NONE, hook=row, buffer="", writes=writes, is_exact=True, start=start,
                past=past, begin=work[-1], end=work[-1],
            )  # fmt: skip
            accesses.add(access, [work[-1]], [])


def _add_on_host(
    timeline: Timeline, bound: _Bound, row: int, sides: list[tuple[tuple[int, int], bool]], accesses: Accesses
) -> None:
    """A call that launches nothing and is about memory of the host touches that itself."""
    if not sides or not _is_on_host(timeline, bound, row):
        return
    span = int(timeline.hooks.span[row])
    for (start, past), writes in sides:
        accesses.on_host.append((span, len(accesses.found)))
        accesses.found.append(
            MemoryAccess(
                what=str(bound.name[row]), run=NONE, hook=row, buffer="", writes=writes, is_exact=True, start=start,
                past=past, begin=span, end=span,
            )
        )  # fmt: skip


def _add_uses(timeline: Timeline, bound: _Bound, launched: LaunchedWork, accesses: Accesses) -> None:
    """Operations of torch, but for those inside of hooked calls, which say more exactly what they touch."""
    uses, spans, hooks = timeline.tensor_uses, timeline.spans, timeline.hooks
    has_range = (hooks.read_bytes > 0) | (hooks.write_bytes > 0)
    for row in range(len(uses)):
        span = _operation(timeline, int(uses.start_ns[row]), int(uses.op[row]))
        if span == NONE:
            continue
        hook = int(timeline.links.hook[span])
        work = [] if hook != NONE and has_range[hook] else launched.within(span)
        process = int(bound.process_of_lane[spans.lane[span]])
        start, past = bound.placed(int(uses.address[row]), int(uses.size_bytes[row]), process)
        if not work or not bound.concerns(start, past):
            continue
        access = MemoryAccess(
            what=timeline.names[uses.op[row]], run=NONE, hook=hook, buffer="", writes=bool(uses.writes[row]),
            is_exact=bool(uses.extent_bytes[row] >= uses.size_bytes[row]), start=start, past=past, begin=work[-1],
            end=work[-1],
        )  # fmt: skip
        accesses.add(access, [work[-1]], [])


def _operation(timeline: Timeline, start_ns: int, name: int) -> int:
    """The torch operation of this name that begins then; NONE where the trace has none."""
    spans = timeline.spans
    first, past = np.searchsorted(spans.start_ns, (start_ns, start_ns + 1))
    alike = (spans.kind[first:past] == Kind.TORCH_OP) & (spans.name[first:past] == name)
    found = np.flatnonzero(alike)
    return int(first + found[0]) if len(found) else NONE


def _joined(stretches: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Rising stretches as their starts and ends; those that overlap as one."""
    starts: list[int] = []
    pasts: list[int] = []
    for start, past in stretches:
        if pasts and start <= pasts[-1]:
            pasts[-1] = max(pasts[-1], past)
        else:
            starts.append(start)
            pasts.append(past)
    return starts, pasts


def _before(starts: list[int], past: int) -> int:
    return bisect_left(starts, past) - 1
