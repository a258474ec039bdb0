"""Data of the GPU that went through the host on its way into a session, or out of it and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.bindings.cuda_sessions import cuda_bindings, is_on_cuda
from ortprobe.timeline import NONE, Bools, Int64s, Kind, Timeline
from ortprobe.timeline.groups import rows_by_value

FEEDS = ("feed", "bind_cpu_input")
_COPIES = ("copy_", "to", "cuda")
_GIVERS = ("run", "binding")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTrip:
    """Data that was on a GPU, then on the host, and then on a GPU again."""

    row: int
    """Row in `Timeline.hooks` of the call that took it to the GPU again: a feed of a run, or a copy of torch's."""
    into: bool
    """Whether into a session; otherwise out of one and back."""
    giver: str
    """Who put it on the host: `gpu` for a copy of torch's, `run` or `binding` for a session."""
    run: int
    """Row in `Timeline.runs` of the run that took it, or that gave it; NONE where that is not known."""
    work: tuple[int, ...]
    """Device work of both copies, as far as it was seen: spans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTrips:
    """In time order."""

    trips: tuple[HostTrip, ...]
    feeds: int
    """Arrays that were fed to sessions on CUDA."""
    unknown_feeds: int
    """How many of these came from where nobody looked."""
    unknown_copies: int
    """Copies of torch's from the host to a GPU of which the same is true."""


def compute_host_trips(timeline: Timeline) -> HostTrips:
    """By memory that was still there when it was read, and so by certain knowledge."""
    return _Search(timeline).found()


class _Search:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline, self._hooks = timeline, timeline.hooks
        names = timeline.names
        self._name = np.array(names, object)[self._hooks.what] if len(self._hooks.what) else np.zeros(0, object)
        self._origin = [names[origin] if origin != NONE else "" for origin in self._hooks.origin.tolist()]
        self._lane = timeline.spans.lane[self._hooks.span]
        self._start_ns = timeline.spans.start_ns[self._hooks.span]
        ops = timeline.device_ops.span
        self._size = dict(zip(ops.tolist(), timeline.device_ops.size_bytes.tolist(), strict=True))
        self._work = {hook: ops[at].tolist() for hook, at in rows_by_value(timeline.links.hook[ops]) if hook != NONE}
        runs = timeline.runs
        self._runs = {lane: (at, runs.start_ns[at], runs.end_ns[at]) for lane, at in rows_by_value(runs.lane)}
        self._bindings = cuda_bindings(timeline)

    def found(self) -> HostTrips:
        feeds = [row for row in np.flatnonzero(self._named(*FEEDS)).tolist() if self._goes_to_cuda(row)]
        copies = np.flatnonzero(self._named(*_COPIES) & (self._hooks.read_bytes > 0) & self._to_gpu()).tolist()
        trips = [*self._into(feeds), *self._back(copies)]
        return HostTrips(
            trips=tuple(sorted(trips, key=lambda trip: trip.row)),
            feeds=len(feeds),
            unknown_feeds=sum(not self._origin[row] for row in feeds),
            unknown_copies=sum(
                map(self._is_from_host, np.flatnonzero(self._named(*_COPIES) & ~self._to_gpu()).tolist())
            ),
        )

    def _named(self, *names: str) -> Bools:
        return np.isin(self._name, names) & ~self._hooks.failed

    def _to_gpu(self) -> Bools:
        """Copies whose source is on the host say where that came from."""
        return np.array([bool(origin) for origin in self._origin], np.bool_)

    def _is_from_host(self, row: int) -> bool:
        """Whether a copy launched one from the host. Where no trace says, one to a GPU may have."""
        device = int(self._hooks.device[row])
        to_gpu = device != NONE and self._timeline.names[device].startswith("cuda")
        work = self._work.get(row, [])
        return to_gpu and (not self._size or any("HtoD" in self._timeline.name_of(span) for span in work))

    def _into(self, feeds: list[int]) -> Iterator[HostTrip]:
        for row in feeds:
            origin = self._origin[row]
            gave = self._run_before(row) if origin in _GIVERS else NONE
            if origin != "gpu" and not (origin in _GIVERS and self._is_on_cuda(gave)):
                continue
            taker, size = self._run_of(row), int(self._hooks.read_bytes[row])
            there = self._copies_of_run(gave, "DtoH", size) if origin in _GIVERS else self._copied_to_host(row)
            back = self._work.get(row, []) or self._copies_of_run(taker, "HtoD", size)
            yield HostTrip(row=row, into=True, giver=origin, run=taker, work=(*there, *back))

    def _back(self, copies: list[int]) -> Iterator[HostTrip]:
        bound = self._outputs_on_host()
        for row in copies:
            giver = "binding" if int(self._hooks.read_address[row]) in bound else self._origin[row]
            run = self._run_before(row)
            if giver in _GIVERS and self._is_on_cuda(run):
                there = self._copies_of_run(run, "DtoH", int(self._hooks.read_bytes[row]))
                work = (*there, *self._work.get(row, []))
                yield HostTrip(row=row, into=False, giver=giver, run=run, work=work)

    def _outputs_on_host(self) -> set[int]:
        """Addresses on the host that outputs of sessions on CUDA are bound to."""
        names, hooks = self._timeline.names, self._hooks
        rows = np.flatnonzero(self._named("bind_output", "bind_ortvalue_output") & (hooks.write_address > 0)).tolist()
        on_host = [row for row in rows if hooks.device[row] != NONE and names[hooks.device[row]] == "cpu"]
        return {int(hooks.write_address[row]) for row in on_host if int(hooks.binding[row]) in self._bindings}

    def _goes_to_cuda(self, row: int) -> bool:
        if self._name[row] == "bind_cpu_input":
            return int(self._hooks.binding[row]) in self._bindings
        return self._is_on_cuda(self._run_of(row))

    def _is_on_cuda(self, run: int) -> bool:
        return run != NONE and is_on_cuda(self._timeline, int(self._timeline.runs.session[run]))

    def _run_of(self, row: int) -> int:
        """The run that a feed belongs to: it begins then, on the same thread. After a bind the next one there."""
        mine, starts_ns, _ = self._runs_of(row)
        at = int(np.searchsorted(starts_ns, self._start_ns[row]))
        return int(mine[at]) if at < len(mine) else NONE

    def _run_before(self, row: int) -> int:
        mine, _, ends_ns = self._runs_of(row)
        at = int(np.searchsorted(ends_ns, self._start_ns[row], side="right"))
        return int(mine[at - 1]) if at else NONE

    def _runs_of(self, row: int) -> tuple[Int64s, Int64s, Int64s]:
        """Runs of the thread of this call, with their starts and ends."""
        nothing = np.zeros(0, np.int64)
        return self._runs.get(int(self._lane[row]), (nothing, nothing, nothing))

    def _copied_to_host(self, row: int) -> list[int]:
        """Work of torch's copy that put there what is fed."""
        hooks = self._hooks
        wrote = (hooks.write_address == hooks.read_address[row]) & (hooks.write_bytes > 0)
        rows = np.flatnonzero(wrote & (self._start_ns < self._start_ns[row]))
        return self._work.get(int(rows[-1]), []) if len(rows) else []

    def _copies_of_run(self, run: int, way: str, size_bytes: int) -> list[int]:
        """ORT's own copies of that size, which it makes of feeds and outputs."""
        if run == NONE:
            return []
        timeline = self._timeline
        (row,) = self._hooks.rows_of(timeline.runs.hook_span[run : run + 1]).tolist()
        return [
            span
            for span in (self._work.get(row, []) if row != NONE else [])
            if timeline.spans.kind[span] == Kind.MEMCPY
            and way in timeline.name_of(span)
            and self._size[span] == size_bytes
        ]


def spent_ns(timeline: Timeline, trips: tuple[HostTrip, ...]) -> int | None:
    """How long the copies took on the device; None where none was seen."""
    work: Int64s = np.unique(np.array([span for trip in trips for span in trip.work], np.int64))
    return int((timeline.spans.end_ns[work] - timeline.spans.start_ns[work]).sum()) if len(work) else None
