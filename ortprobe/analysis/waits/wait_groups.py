"""Waits that are one thing to the program: the same call, in the same role, from the same line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.waits.wait_times import NEEDS, NOT_NEEDED, ROLES, WAITERS, Need, Waiter, WaitRole, WaitTimes
from ortprobe.timeline import NONE, Int32s, Int64s, Site, Timeline
from ortprobe.timeline.groups import sum_by_group


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitGroup:
    """All waits of one call, role and line."""

    name: str
    """`cudaStreamSynchronize`, `cudaStreamWaitEvent`, `cudaMemcpy` …"""
    waiter: Waiter
    role: WaitRole
    site: Site | None
    """The program's own line: of the hooked call around the wait, or of its run. None when no hook saw one."""
    count: int
    unresolved: int
    """How many of them don't say what they waited for."""
    stall_ns: int | None
    """Summed over those that do, as in `WaitTimes.stall_ns`; None when none of them does."""
    call_ns: int
    """Summed over all calls. Of a stream's wait that is the time to ask for it: nobody waits in it."""
    needs: Mapping[Need, int]
    """How many of each need, in the order of `Need`; those that did not occur are not in it."""
    not_needed_ns: int | None
    """What of `stall_ns` is of waits that were not needed (`NOT_NEEDED`)."""


def group_waits(timeline: Timeline, waits: WaitTimes) -> tuple[WaitGroup, ...]:
    """Every wait in one group; the longest stalled first, then the longest in the call."""
    site = sites_of(timeline, waits)
    names, sites = len(timeline.names), len(timeline.names) + 1
    keys = (waits.role.astype(np.int64) * names + waits.name) * sites + site + 1
    distinct, member = np.unique(keys, return_inverse=True)
    resolved = waits.stall_ns != NONE
    not_needed = resolved & np.isin(waits.need, [NEEDS.index(need) for need in NOT_NEEDED])
    count, known = _counts(member, len(distinct)), _counts(member[resolved], len(distinct))
    stall_ns, call_ns, not_needed_ns = (
        sum_by_group(member[chosen], values[chosen], len(distinct))
        for chosen, values in (
            (resolved, waits.stall_ns),
            (np.ones(len(waits), np.bool_), waits.end_ns - waits.start_ns),
            (not_needed, waits.stall_ns),
        )
    )
    needs = _counts(member * len(NEEDS) + waits.need, len(distinct) * len(NEEDS)).reshape(-1, len(NEEDS))
    first = np.zeros(len(distinct), np.int64)
    first[member[::-1]] = np.arange(len(waits))[::-1]
    return tuple(
        WaitGroup(
            name=timeline.names[waits.name[first[row]]],
            waiter=WAITERS[waits.waiter[first[row]]],
            role=ROLES[waits.role[first[row]]],
            site=timeline.site_at(int(site[first[row]])),
            count=int(count[row]),
            unresolved=int(count[row] - known[row]),
            stall_ns=int(stall_ns[row]) if known[row] else None,
            call_ns=int(call_ns[row]),
            needs={need: number for need, number in zip(NEEDS, needs[row].tolist(), strict=True) if number},
            not_needed_ns=int(not_needed_ns[row]) if known[row] else None,
        )
        for row in np.lexsort((first, -call_ns, -stall_ns)).tolist()
    )


def lines_of(timeline: Timeline, waits: WaitTimes, rows: Int64s) -> list[Site | None]:
    """The program's own line of each of these waits, as in `WaitGroup.site`."""
    numbers = sites_of(timeline, waits)[rows].tolist()
    sites = {number: timeline.site_at(number) for number in set(numbers)}
    return [sites[number] for number in numbers]


def sites_of(timeline: Timeline, waits: WaitTimes) -> Int32s:
    """For each wait the index in `Timeline.names` of the program's line; NONE where no hook saw it."""
    timed = np.where(waits.call != NONE, waits.call, waits.span)
    around = np.append(timeline.hooks.site, NONE)[timeline.links.hook[timed]]
    of_run = np.append(timeline.hooks.sites_of(timeline.runs.hook_span), NONE)[waits.run]
    return np.where(around != NONE, around, of_run).astype(np.int32)


def _counts(member: Int64s, groups: int) -> Int64s:
    return np.bincount(member, minlength=groups)
