"""What the waits that cost time are good for: which accesses would no longer be ordered without them.

The order of all accesses is looked for twice, with the waits of one line and without. Torch's own memory counts as far
as it may matter: `unseen_memory`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.races.accesses import Accesses
from ortprobe.analysis.races.memory_order import MemoryOrder, Verdict
from ortprobe.analysis.races.order import Pair, check_order
from ortprobe.analysis.races.trace_steps import program_of
from ortprobe.analysis.races.unseen_memory import all_accesses, with_unseen_memory
from ortprobe.analysis.waits.wait_groups import sites_of
from ortprobe.analysis.waits.wait_times import NEEDS, ROLES, Need, WaitRole, WaitTimes
from ortprobe.timeline import NONE, Int64s, Site, Timeline
from ortprobe.timeline.groups import rows_by_value

ASKED_FOR = (
    "synchronize", "stream.synchronize", "event.synchronize", "wait_stream", "wait_event", "event.wait",
    "synchronize_inputs", "synchronize_outputs",
)  # fmt: skip
"""Hooked calls that do nothing but wait. Others wait for reasons of their own, such as a copy to the host."""
_SERVES_HOST = (Need.DATA_FOR_HOST, Need.FREES_HOST_MEMORY)
_WORTH_ASKING = 0.01
"""Waits whose usual stall is less than this share of the usual time from one to the next are not looked at: each look
orders all accesses anew."""
_JUDGED_NEEDED = 3
"""Fewer waits than this that the recording tells the end of are no habit."""


class Use(StrEnum):
    """What waits are good for. The first that holds, in this order."""

    SERVES_HOST = "serves-host"
    """The host reads what it copied out, or reuses what it copied from."""
    ORDERS = "orders"
    """Accesses that were seen are ordered by them, and by nothing else; or a run's own work was waited for."""
    UNKNOWN = "unknown"
    """The trace does not say what some of them waited for, or where that ended; or another thread was told something
    behind them."""
    MAY_ORDER = "may-order"
    """They order torch's work on one stream behind its work on another, in memory that nobody watched."""
    RACES_FIRST = "races-first"
    """Nothing needs them, but accesses race with them too: once these are ordered, that may be another matter."""
    NOTHING = "nothing"
    """Without them everything that was seen is ordered as surely as with them. They may still take a time, or tell the
    host of memory that is mapped or managed. Those of the program can all be left out together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitUse:
    """All waits of one call in one line of the program, or at the end of the runs of one line."""

    name: str
    """`cudaDeviceSynchronize`, `cudaStreamWaitEvent` …"""
    role: WaitRole
    """PROGRAM or RUN_END_LEGACY."""
    site: Site | None
    calls: tuple[int, ...]
    """The CUDA calls (spans), in time order."""
    longest: int
    """The one of them that stalled longest."""
    stall_ns: int
    """Of all of them, as in `WaitTimes.stall_ns`."""
    use: Use


def compute_wait_uses(timeline: Timeline, waits: WaitTimes, races: MemoryOrder) -> tuple[WaitUse, ...]:
    """The program's waits, and ORT's for the legacy stream, as far as they cost time; the dearest first.

    What is NOTHING of the program's own is so with those before it left out already: of two waits of which one is
    enough, the cheaper one stays.
    """
    found = list(_dear_waits(timeline, waits))
    if not found:
        return ()
    judge, left_out, uses = _Judge(timeline, waits), frozenset[int](), []
    for rows in sorted(found, key=lambda rows: -int(waits.stall_ns[rows].sum())):
        role, calls = ROLES[waits.role[rows[0]]], frozenset(waits.call[rows].tolist())
        of_program = role is WaitRole.PROGRAM
        use = judge.use(rows, calls | left_out if of_program else calls)
        if of_program and use is Use.NOTHING:
            left_out |= calls
        if use is Use.NOTHING and races.of_verdict(Verdict.RACE):
            use = Use.RACES_FIRST
        uses.append(_described(timeline, waits, rows, use))
    return tuple(uses)


def _dear_waits(timeline: Timeline, waits: WaitTimes) -> Iterator[Int64s]:
    """Rows in `waits`, those of one line together."""
    hooks, names = timeline.hooks, timeline.names
    asked_for = np.append(np.isin(hooks.what, [at for at, name in enumerate(names) if name in ASKED_FOR]), False)
    of_program = (waits.role == ROLES.index(WaitRole.PROGRAM)) & asked_for[timeline.links.hook[waits.call]]
    of_run = waits.role == ROLES.index(WaitRole.RUN_END_LEGACY)
    chosen = np.flatnonzero((of_program | of_run) & (waits.call != NONE))
    site = sites_of(timeline, waits)[chosen].astype(np.int64) + 1
    key = (waits.role[chosen].astype(np.int64) * len(names) + waits.name[chosen]) * (len(names) + 1) + site
    for _, rows in rows_by_value(key):
        own = chosen[rows]
        if len(own) < _JUDGED_NEEDED:
            continue
        # A stall that nobody knows may be as long as its call, and must not pass for none.
        call_ns = waits.end_ns[own] - waits.start_ns[own]
        stall_ns = np.where(waits.stall_ns[own] == NONE, call_ns, waits.stall_ns[own])
        if np.median(stall_ns) > _WORTH_ASKING * np.median(np.diff(waits.start_ns[own])):
            yield own


def _described(timeline: Timeline, waits: WaitTimes, rows: Int64s, use: Use) -> WaitUse:
    stall_ns = np.maximum(waits.stall_ns[rows], 0)
    return WaitUse(
        name=timeline.names[waits.name[rows[0]]],
        role=ROLES[waits.role[rows[0]]],
        site=timeline.site_at(int(sites_of(timeline, waits)[rows[0]])),
        calls=tuple(waits.call[rows].tolist()),
        longest=int(waits.call[rows[np.argmax(stall_ns)]]),
        stall_ns=int(stall_ns.sum()),
        use=use,
    )


class _Judge:
    def __init__(self, timeline: Timeline, waits: WaitTimes) -> None:
        self._timeline, self._waits = timeline, waits
        self._accesses: Accesses = all_accesses(timeline)
        self._seen = with_unseen_memory(timeline, self._accesses)
        self._with_all = list(check_order(program_of(timeline, self._accesses)))

    def use(self, rows: Int64s, left_out: frozenset[int]) -> Use:
        """What these waits are good for, if all calls in `left_out`, which holds theirs, are not made."""
        if {NEEDS[need] for need in self._waits.need[rows].tolist()} & set(_SERVES_HOST):
            return Use.SERVES_HOST
        lost = list(self._lost(left_out))
        if any(pair.first < self._seen for pair in lost) or self._waits_for_own_run(rows):
            return Use.ORDERS
        if not self._is_told(rows) or self._tells_others(rows):
            return Use.UNKNOWN
        return Use.MAY_ORDER if lost else Use.NOTHING

    def _is_told(self, rows: Int64s) -> bool:
        judged = int((self._waits.need[rows] != NEEDS.index(Need.UNKNOWN)).sum())
        return judged >= _JUDGED_NEEDED and not (self._waits.stall_ns[rows] == NONE).any()

    def _lost(self, left_out: frozenset[int]) -> Iterator[Pair]:
        """Pairs that are ordered less surely without these calls. What is a pair does not depend on them."""
        without = check_order(program_of(self._timeline, self._accesses, left_out))
        for before, after in zip(self._with_all, without, strict=True):
            if before.ordered is not None and (after.ordered is None or after.ordered > before.ordered):
                yield before

    def _tells_others(self, rows: Int64s) -> bool:
        """Whether the waiting threads hand something over to other ones afterwards."""
        sides, spans, calls = self._timeline.handovers, self._timeline.spans, self._waits.call[rows]
        takers: dict[int, set[int]] = {}
        for token, lane in zip(sides.token[~sides.gives].tolist(), sides.lane[~sides.gives].tolist(), strict=True):
            takers.setdefault(token, set()).add(lane)
        for lane in np.unique(spans.lane[calls]).tolist():
            since_ns = spans.end_ns[calls[spans.lane[calls] == lane]].min()
            given = sides.gives & (sides.lane == lane) & (sides.at_ns >= since_ns)
            if any(takers.get(token, set()) - {lane} for token in sides.token[given].tolist()):
                return True
        return False

    def _waits_for_own_run(self, rows: Int64s) -> bool:
        own, work = self._waits.run[rows], self._waits.work[rows]
        return bool(((own != NONE) & (work != NONE) & (self._timeline.links.run[work] == own)).any())
