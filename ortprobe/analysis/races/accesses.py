"""Who read and wrote the memory that sessions have bound: runs, hooked copies, operations of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ortprobe.analysis.races.bound_memory import BoundMemory
from ortprobe.analysis.races.launched_work import LaunchedWork
from ortprobe.timeline import NONE, Int32s, Kind, Site, Timeline
from ortprobe.timeline.groups import rows_by_value

_COPY_FROM_HOST = "Memcpy HtoD"
_NO_ACCESS = ("record_stream", "from_dlpack", "to_dlpack", "fetch", "feed", "io_binding")
"""Hooked calls with ranges that they neither read nor write themselves; and all that bind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAccess:
    """One call or run that reads or writes a stretch of memory."""

    what: str
    """`run_with_iobinding`, `copy_`, `aten::mul` …"""
    run: int
    """Row in `Timeline.runs`; NONE for what is no run."""
    buffer: str
    """Name of the input or output; empty for what is no run."""
    site: Site | None
    """The program's line; None where no hooked call is around it."""
    is_handed_over: bool
    """Whether any of the memory was handed over by DLPack."""
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

    def add_on_host(self, access: MemoryAccess) -> None:
        """One that takes place in its call."""
        self.on_host.append((access.begin, len(self.found)))
        self.found.append(access)


def find_accesses(timeline: Timeline) -> Accesses:
    """Every access that was seen to memory that was bound to a session, or handed to a run."""
    accesses, launched, bound = Accesses(), LaunchedWork(timeline), BoundMemory(timeline)
    describe = _Describe(timeline, bound)
    _add_runs(timeline, bound, describe, accesses)
    _add_calls(timeline, bound, launched, describe, accesses)
    _add_uses(timeline, bound, launched, describe, accesses)
    return accesses


class _Describe:
    """Makes an access of what is known of it; `at` is its first and its last span."""

    def __init__(self, timeline: Timeline, bound: BoundMemory) -> None:
        self._timeline, self._bound = timeline, bound
        sites = np.unique(timeline.hooks.site).tolist()
        self._sites = {name: timeline.site_at(name) for name in sites}

    def __call__(
        self, what: str, hook: int, stretch: tuple[int, int], *, writes: bool, at: tuple[int, int], run: int = NONE,
        buffer: str = "", is_exact: bool = True,
    ) -> MemoryAccess:  # fmt: skip
        start, past = stretch
        return MemoryAccess(
            what=what,
            run=run,
            buffer=buffer,
            site=None if hook == NONE else self._sites[int(self._timeline.hooks.site[hook])],
            is_handed_over=self._bound.was_handed_over(start, past),
            writes=writes,
            is_exact=is_exact,
            start=start,
            past=past,
            begin=at[0],
            end=at[1],
        )


def _add_runs(timeline: Timeline, bound: BoundMemory, describe: _Describe, accesses: Accesses) -> None:
    """A run reads its inputs from its first work on each stream until its last there, and has written its outputs by
    its last work of all. What it copies to the host has arrived when it returns."""
    work = WorkOfRuns(timeline)
    for run, hook, buffers in bound.runs():
        if run not in work.of_run:
            continue
        reading, lasting, last = work.reading(run), work.last_reading(run), int(work.of_run[run][-1])
        what, call = str(bound.name[hook]), int(timeline.hooks.span[hook])
        for (buffer, writes), bind in buffers.items():
            stretch, name = bound.stretch(bind, writes=writes), timeline.names[buffer]
            if stretch[0] == stretch[1]:
                continue
            if bound.is_on_host(bind):
                if not writes:
                    read = describe(what, hook, stretch, writes=False, at=(call, call), run=run, buffer=name)
                    accesses.add_on_host(read)
                continue
            begin = last if writes or not reading else reading[0]
            access = describe(what, hook, stretch, writes=writes, at=(begin, last), run=run, buffer=name)
            accesses.add(access, [last] if writes else reading, [last] if writes else lasting)


class WorkOfRuns:
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


def _add_calls(
    timeline: Timeline, bound: BoundMemory, launched: LaunchedWork, describe: _Describe, accesses: Accesses
) -> None:
    """Hooked copies and the like, at the last device work that they launched. One that launches none and is about
    memory of the host alone touches that itself; of others the work is not in the trace."""
    hooks = timeline.hooks
    copies = ((hooks.read_bytes > 0) | (hooks.write_bytes > 0)) & ~bound.binds & ~np.isin(bound.name, _NO_ACCESS)
    for row in np.flatnonzero(copies & ~hooks.failed).tolist():
        sides = [(bound.stretch(row, writes=writes), writes) for writes in (False, True)]
        sides = [(stretch, writes) for stretch, writes in sides if bound.concerns(*stretch)]
        span, what = int(hooks.span[row]), str(bound.name[row])
        work = launched.within(span) if sides else []
        for stretch, writes in sides:
            if work:
                access = describe(what, row, stretch, writes=writes, at=(work[-1], work[-1]))
                accesses.add(access, [work[-1]], [])
            elif bound.is_on_host(row) and bound.is_host_memory(*stretch):
                accesses.add_on_host(describe(what, row, stretch, writes=writes, at=(span, span)))


def _add_uses(
    timeline: Timeline, bound: BoundMemory, launched: LaunchedWork, describe: _Describe, accesses: Accesses
) -> None:
    """Operations of torch, but for those inside of hooked calls, which say more exactly what they touch."""
    uses, spans, hooks = timeline.tensor_uses, timeline.spans, timeline.hooks
    has_range = (hooks.read_bytes > 0) | (hooks.write_bytes > 0)
    for row in range(len(uses)):
        span = _operation(timeline, int(uses.start_ns[row]), int(uses.op[row]))
        hook = NONE if span == NONE else int(timeline.links.hook[span])
        if span == NONE or (hook != NONE and has_range[hook]):
            continue
        process = int(bound.process_of_lane[spans.lane[span]])
        stretch = bound.placed(int(uses.address[row]), int(uses.size_bytes[row]), process)
        work = launched.within(span)
        if work and bound.concerns(*stretch):
            what, is_exact = timeline.names[uses.op[row]], bool(uses.extent_bytes[row] >= uses.size_bytes[row])
            access = describe(
                what, hook, stretch, writes=bool(uses.writes[row]), at=(work[-1], work[-1]), is_exact=is_exact
            )
            accesses.add(access, [work[-1]], [])


def _operation(timeline: Timeline, start_ns: int, name: int) -> int:
    """The torch operation of this name that begins then; NONE where the trace has none."""
    spans = timeline.spans
    first, past = np.searchsorted(spans.start_ns, (start_ns, start_ns + 1))
    alike = (spans.kind[first:past] == Kind.TORCH_OP) & (spans.name[first:past] == name)
    found = np.flatnonzero(alike)
    return int(first + found[0]) if len(found) else NONE
