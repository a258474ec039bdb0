"""Memory that no hook names: who touches what there is not known, so everybody may.

Device work that is about it counts as writing one byte for each stream, or for all runs, that others read. Two pieces
of work are then ordered if and only if the later one's read is behind the earlier one's write.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ortprobe.analysis.races.accesses import Accesses, MemoryAccess, WorkOfRuns, find_accesses
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value

_BYTES = 1 << 32
"""More than there are streams."""


def all_accesses(timeline: Timeline) -> Accesses:
    """Those to memory that hooks named; without hooks those that may be."""
    return find_accesses(timeline) if timeline.capture.hooked else accesses_without_hooks(timeline)


def with_unseen_memory(timeline: Timeline, accesses: Accesses) -> int:
    """Add what torch's work on one stream may read of its work on others. Gives how many accesses there were before."""
    seen, work = len(accesses.found), _outside_of_runs(timeline)
    streams, number = np.unique(timeline.spans.lane[work], return_inverse=True)
    if len(streams) > 1:
        for span, stream in zip(work.tolist(), number.tolist(), strict=True):
            for first, past in ((0, stream), (stream + 1, len(streams))):
                if first < past:
                    accesses.add(_access(timeline, (span, span), first, past, writes=False), [span], [])
            accesses.add(_access(timeline, (span, span), stream, stream + 1, writes=True), [], [span])
    return seen


def accesses_without_hooks(timeline: Timeline) -> Accesses:
    """What runs and torch's work may touch of each other's, in a capture that says of no memory who touches it.

    A run may read what torch's work before it wrote on any stream, and torch's work what any run before it wrote. Of
    torch's work on one stream only the last before and the first behind a run's begin and end are looked at: all other
    is ordered with these by the stream itself.
    """
    accesses, runs, work = Accesses(), WorkOfRuns(timeline), _outside_of_runs(timeline)
    if not runs.of_run:
        return accesses
    streams = len(np.unique(timeline.spans.lane[work]))
    for stream, spans in _beside_runs(timeline, work):
        for span in spans.tolist():
            accesses.add(_access(timeline, (span, span), stream, stream + 1, writes=True), [span], [])
            accesses.add(_access(timeline, (span, span), streams, streams + 1, writes=False), [span], [])
    for run, own in runs.of_run.items():
        reading, last = runs.reading(run), int(own[-1])
        if reading and streams:
            read = _access(timeline, (reading[0], last), 0, streams, writes=False, run=run)
            accesses.add(read, reading, runs.last_reading(run))
        accesses.add(_access(timeline, (last, last), streams, streams + 1, writes=True, run=run), [last], [])
    return accesses


def _outside_of_runs(timeline: Timeline) -> Int32s:
    ops, links = timeline.device_ops.span, timeline.links
    outside: Int32s = ops[(links.run[ops] == NONE) & (links.launch[ops] != NONE)]
    return outside


def _beside_runs(timeline: Timeline, work: Int32s) -> Iterator[tuple[int, Int32s]]:
    """For each stream, by its number, the work that is launched right before or behind a run's begin or end."""
    launch, runs = timeline.links.launch, timeline.runs
    times_ns: Int64s = np.unique(np.concatenate((runs.start_ns, runs.end_ns)))
    for stream, (_, rows) in enumerate(rows_by_value(timeline.spans.lane[work])):
        own = work[rows]
        own = own[np.argsort(launch[own], kind="stable")]
        behind = np.searchsorted(timeline.spans.start_ns[launch[own]], times_ns)
        at = np.unique(np.concatenate((behind - 1, behind)))
        yield stream, own[at[(at >= 0) & (at < len(own))]]


def _access(
    timeline: Timeline, at: tuple[int, int], first: int, past: int, *, writes: bool, run: int = NONE
) -> MemoryAccess:  # fmt: skip
    """Addresses below zero are nobody's."""
    return MemoryAccess(
        what=timeline.name_of(at[0]) if run == NONE else "run",
        run=run,
        buffer="",
        site=None,
        is_handed_over=False,
        writes=writes,
        is_exact=False,
        start=first - _BYTES,
        past=past - _BYTES,
        begin=at[0],
        end=at[1],
    )
