"""What a session's first runs, and runs with shapes not seen before, took more than a steady run, and for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.sessions.host_parts import PARTS, HostPart, Stretches, host_pieces
from ortprobe.analysis.sessions.run_shapes import RunShapes, compute_run_shapes
from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.timeline import NONE, Bools, Int64s, Kind, Timeline
from ortprobe.timeline.groups import rows_by_value, sum_by_group

STEADY_RUNS_NEEDED = 2
"""Fewer runs alike have no median that says what is steady."""
STEADY_WITHIN = 0.25
"""A session runs steadily from the first of two consecutive runs on that take at most this much more than the median.
In the captures of an H100 steady runs stay within a tenth while nothing disturbs them, and second runs take 1.5 times
the median or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelsCompared:
    """The work of a run on the device, beside that of the steady run it is compared with."""

    kernels: int
    steady_kernels: int
    only_here: int
    """Kernels of names that no steady run of the session has: those of a search for the fastest one, if there was one.
    Where this is 0, nothing was tuned on the device."""
    only_here_ns: int
    """Their summed time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRunCost:
    """One run, and what it took more than a steady one under the same tracing. None is what can't be told."""

    run: int
    """Row in `Timeline.runs`."""
    position: int
    """Which run of its session: 0 is the first."""
    new_shapes: int
    """The execution of a node (a span) with input shapes that it had not had before; NONE when there is none."""
    latency_ns: int
    compared_with: int
    """The steady run of middle latency (a row in `Timeline.runs`); NONE without enough steady runs."""
    steady_ns: int | None
    """Median of the steady runs under the same tracing, with the same shapes where they vary."""
    excess_ns: int | None
    """Latency less `steady_ns`; negative when the run was faster."""
    parts_ns: Mapping[HostPart, int] | None
    """What its thread did longer than in `compared_with`, the dearest first; negative for what it did less. None
    where neither ORT's profile nor a torch trace watched it. With `unexplained_ns` they sum to `excess_ns` exactly."""
    unexplained_ns: int | None
    """What no part holds: the distance of `compared_with` to the median; without ORT's profile all host code, too."""
    node_host_ns: Mapping[str, int] | None
    """The parts `NODE_BEFORE_LAUNCH` and `NODE` together, by op type, the dearest first; None without ORT's profile."""
    arena_growth_bytes: int | None
    """By how much ORT's memory arenas grew in it; None where its profile does not say."""
    kernels: KernelsCompared | None
    """None without a GPU trace of both runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRuns:
    """The runs of one session that were not steady yet."""

    until_steady: int | None
    """How many runs came before the first of two consecutive steady ones; None when the session never got there."""
    first: FirstRunCost | None
    """The first run, steady or not; None when there was none, or it raised."""
    early: tuple[FirstRunCost, ...]
    """The runs until then; the first alone when it is not known how many they are."""
    new_shapes: tuple[FirstRunCost, ...]
    """Later runs with new shapes."""
    excess_ns: int | None
    """What the early runs took more, summed, 0 at least. None when no excess is known."""
    overlapping: bool
    """Whether early runs overlapped: then the program waited for less than the sum."""

    @property
    def divided(self) -> bool:
        """Whether it is known what each of the early runs took more, and for what."""
        return bool(self.early) and all(cost.parts_ns is not None for cost in self.early)


NO_RUNS = FirstRuns(until_steady=None, first=None, early=(), new_shapes=(), excess_ns=None, overlapping=False)


def compute_first_runs(timeline: Timeline, runs: RunTimes) -> tuple[FirstRuns, ...]:
    """The runs of each session that were not steady yet, in the order of `Timeline.sessions`.

    Runs that raised are left out; where the first one did, nobody knows what the session had paid for already, so all.
    """
    shapes = compute_run_shapes(timeline)
    plans = {
        session: _plan(runs, shapes, rows)
        for session, rows in rows_by_value(timeline.runs.session)
        if session != NONE and not runs.failed[rows[0]]
    }
    division = _Division.of(timeline, runs, [run for plan in plans.values() for run in plan.watched()])
    return tuple(
        _first_runs(plans[index], division) if index in plans else NO_RUNS for index in range(len(timeline.sessions))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """A run and the steady runs to compare it with."""

    run: int
    position: int
    new_shapes: int
    reference: int
    steady_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Which runs of a session are to be divided."""

    until_steady: int | None
    first: _Compared
    early: Sequence[_Compared]
    later: Sequence[_Compared]
    settled: Int64s
    """The steady runs."""

    def watched(self) -> list[int]:
        pairs = [(each.run, each.reference) for each in (self.first, *self.early, *self.later)]
        return [run for pair in pairs if NONE not in pair for run in pair]


def _plan(runs: RunTimes, shapes: RunShapes, own: Int64s) -> _Plan:
    position = np.flatnonzero(~runs.failed[own])
    ok = own[position]
    until = _until_steady(runs, shapes, ok)
    settled = ok[max(until or 0, 1) :]
    groups = _Groups(runs, shapes, settled)
    count = 1 if until is None else until
    fresh = np.flatnonzero(shapes.first_seen[ok] != NONE)
    return _Plan(
        until_steady=until,
        first=groups.compared(int(ok[0]), 0),
        early=[groups.compared(int(ok[row]), int(position[row])) for row in range(count)],
        later=[groups.compared(int(ok[row]), int(position[row])) for row in fresh.tolist() if row >= count],
        settled=settled,
    )


def _until_steady(runs: RunTimes, shapes: RunShapes, ok: Int64s) -> int | None:
    groups = _Groups(runs, shapes, ok[1:])
    median_ns = np.array([groups.median_ns(run) or 0 for run in ok.tolist()], np.int64)
    near = runs.latency_ns[ok] <= median_ns * (1 + STEADY_WITHIN)
    both = near[:-1] & near[1:]
    return int(np.argmax(both)) if both.any() else None


class _Groups:
    """Steady runs by what makes them alike: what was attached, and their shapes."""

    def __init__(self, runs: RunTimes, shapes: RunShapes, settled: Int64s) -> None:
        self._runs, self._shapes = runs, shapes
        self._alike: dict[tuple[int, int | None], list[int]] = {}
        by_latency = settled[np.argsort(runs.latency_ns[settled], kind="stable")]
        for run in by_latency.tolist():
            attached = int(runs.attached[run])
            self._alike.setdefault((attached, int(shapes.variant[run])), []).append(run)
            self._alike.setdefault((attached, None), []).append(run)
        self._medians: dict[tuple[int, int | None], int] = {}

    def median_ns(self, run: int) -> int | None:
        """Median latency of the runs alike; None when they are too few."""
        key = self._key(run)
        if len(self._alike.get(key, ())) < STEADY_RUNS_NEEDED:
            return None
        if key not in self._medians:
            self._medians[key] = int(np.median(self._runs.latency_ns[self._alike[key]]))
        return self._medians[key]

    def compared(self, run: int, position: int) -> _Compared:
        """The run with the steady one of middle latency. One with new shapes is not compared with other shapes."""
        new_shapes = int(self._shapes.first_seen[run])
        key = self._key(run) if new_shapes == NONE else (int(self._runs.attached[run]), int(self._shapes.variant[run]))
        alike = [each for each in self._alike.get(key, ()) if each != run]
        known = len(alike) >= STEADY_RUNS_NEEDED
        return _Compared(
            run=run,
            position=position,
            new_shapes=new_shapes,
            reference=alike[(len(alike) - 1) // 2] if known else NONE,
            steady_ns=int(np.median(self._runs.latency_ns[alike])) if known else None,
        )

    def _key(self, run: int) -> tuple[int, int | None]:
        attached = int(self._runs.attached[run])
        same = (attached, int(self._shapes.variant[run]))
        return same if len(self._alike.get(same, ())) >= STEADY_RUNS_NEEDED else (attached, None)


def _first_runs(plan: _Plan, division: _Division) -> FirstRuns:
    early = tuple(division.cost(each, plan.settled) for each in plan.early)
    known = [each.excess_ns for each in early if each.excess_ns is not None]
    runs, rows = division.timeline.runs, [each.run for each in early]
    start_ns, end_ns = runs.start_ns[rows], np.maximum.accumulate(runs.end_ns[rows])
    return FirstRuns(
        until_steady=plan.until_steady,
        first=early[0] if early else division.cost(plan.first, plan.settled),
        early=early,
        new_shapes=tuple(division.cost(each, plan.settled) for each in plan.later),
        excess_ns=max(sum(known), 0) if known else None,
        overlapping=bool((start_ns[1:] < end_ns[:-1]).any()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Division:
    """What the thread of each watched run did, to be subtracted."""

    timeline: Timeline
    runs: RunTimes
    row_of_run: Mapping[int, int]
    parts_ns: Int64s
    """Shape (watched runs, parts)."""
    node_host_ns: Sequence[Mapping[str, int]]
    growth_bytes: Int64s | None
    """For every run; None where ORT's profile does not say."""
    traced: Bools
    kernels: _Kernels

    @staticmethod
    def of(timeline: Timeline, runs: RunTimes, watched: Sequence[int]) -> _Division:
        rows = np.unique(np.array(watched, np.int64))
        table = timeline.runs
        pieces = host_pieces(
            timeline, Stretches(lane=table.lane[rows], start_ns=table.start_ns[rows], end_ns=table.end_ns[rows])
        )
        in_node = np.isin(pieces.part, [PARTS.index(part) for part in (HostPart.NODE_BEFORE_LAUNCH, HostPart.NODE)])
        op_type = timeline.nodes.op_type[timeline.links.node[pieces.because[in_node]]]
        host: list[dict[str, int]] = [{} for _ in rows]
        for stretch, op, length_ns in zip(
            pieces.stretch[in_node].tolist(), op_type.tolist(), pieces.length_ns[in_node].tolist(), strict=True
        ):
            name = timeline.names[op]
            host[stretch][name] = host[stretch].get(name, 0) + length_ns
        return _Division(
            timeline=timeline,
            runs=runs,
            row_of_run={run: row for row, run in enumerate(rows.tolist())},
            parts_ns=pieces.by_part(len(rows)),
            node_host_ns=host,
            growth_bytes=_growth_bytes(timeline),
            traced=gpu_traced(timeline),
            kernels=_Kernels.of(timeline),
        )

    def cost(self, compared: _Compared, settled: Int64s) -> FirstRunCost:
        """One run as the difference to the one it is compared with."""
        run, reference, latency_ns = compared.run, compared.reference, int(self.runs.latency_ns[compared.run])
        excess_ns = None if compared.steady_ns is None else latency_ns - compared.steady_ns
        attached = int(self.runs.attached[run])
        parts_ns = self._parts(run, reference, attached) if reference != NONE and attached else None
        profiled = bool(attached & ATTACHED_ORT_PROFILE)
        return FirstRunCost(
            run=run,
            position=compared.position,
            new_shapes=compared.new_shapes,
            latency_ns=latency_ns,
            compared_with=reference,
            steady_ns=compared.steady_ns,
            excess_ns=excess_ns,
            parts_ns=parts_ns,
            unexplained_ns=None if parts_ns is None or excess_ns is None else excess_ns - sum(parts_ns.values()),
            node_host_ns=self._node_host(run, reference) if parts_ns is not None and profiled else None,
            arena_growth_bytes=int(self.growth_bytes[run]) if profiled and self.growth_bytes is not None else None,
            kernels=self._kernels(run, reference, settled) if reference != NONE and self.traced[run] else None,
        )

    def _parts(self, run: int, reference: int, attached: int) -> dict[HostPart, int]:
        """Without ORT's profile the host code between CUDA calls is anybody's."""
        more_ns = self.parts_ns[self.row_of_run[run]] - self.parts_ns[self.row_of_run[reference]]
        if not attached & ATTACHED_ORT_PROFILE:
            more_ns[PARTS.index(HostPart.OUTSIDE)] = 0
        return {PARTS[row]: int(more_ns[row]) for row in np.argsort(-more_ns, kind="stable").tolist() if more_ns[row]}

    def _node_host(self, run: int, reference: int) -> dict[str, int]:
        here, there = (self.node_host_ns[self.row_of_run[each]] for each in (run, reference))
        more_ns = {name: here.get(name, 0) - there.get(name, 0) for name in {**here, **there}}
        return dict(sorted(more_ns.items(), key=lambda each: (-each[1], each[0])))

    def _kernels(self, run: int, reference: int, settled: Int64s) -> KernelsCompared:
        mine, steady = self.kernels.of_run(run), self.kernels.of_run(reference)
        names = self.timeline.spans.name
        alike = settled[self.traced[settled]]
        known = self.kernels.names_of(alike[alike != run])
        alone = mine[~np.isin(names[mine], known)]
        return KernelsCompared(
            kernels=len(mine),
            steady_kernels=len(steady),
            only_here=len(alone),
            only_here_ns=int(self.timeline.spans.duration_ns[alone].sum()),
        )


def _growth_bytes(timeline: Timeline) -> Int64s | None:
    """Growth of ORT's arenas in each run; None where no node says that any grew, which ORT before 1.28 never says."""
    executed = timeline.node_spans
    if not executed.arena_growth_bytes.any():
        return None
    run = timeline.links.run[executed.span]
    return sum_by_group(run, executed.arena_growth_bytes, len(timeline.runs) + 1)[:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernels:
    """All kernels of runs, run by run."""

    name: Int64s
    kernel: Int64s
    first: Int64s
    """Of each run, where its kernels begin in `kernel`; with one more entry."""

    @staticmethod
    def of(timeline: Timeline) -> _Kernels:
        kernels = timeline.spans.of_kind(Kind.KERNEL)
        run = timeline.links.run[kernels]
        kernels, run = kernels[run != NONE].astype(np.int64), run[run != NONE]
        order = np.argsort(run, kind="stable")
        first = np.searchsorted(run[order], np.arange(len(timeline.runs) + 1))
        kernel = kernels[order]
        return _Kernels(name=timeline.spans.name[kernel].astype(np.int64), kernel=kernel, first=first.astype(np.int64))

    def of_run(self, run: int) -> Int64s:
        return self.kernel[self.first[run] : self.first[run + 1]]

    def names_of(self, runs: Int64s) -> Int64s:
        """Names of the kernels of these runs, each once."""
        found = [np.unique(self.name[self.first[run] : self.first[run + 1]]) for run in runs.tolist()]
        return np.unique(np.concatenate(found)) if found else self.name[:0]
