"""Events that can't be told apart or put in their place: correlation ids used twice, spans that cross."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ortprobe.ingest.watched import Watched, cited
from ortprobe.timeline import Int32s, Kind, LaneKind, Problem, ProblemKind, Timeline
from ortprobe.timeline.intervals import sticking_out

CROSSING_SLACK_NS = 2_000
"""ORT cuts start and length to whole microseconds, each by itself, so that a nested span can stick out by two."""
_NESTED = (
    Kind.HOOK, Kind.ORT_LOAD, Kind.ORT_INITIALIZE, Kind.ORT_RUN, Kind.ORT_EXECUTE, Kind.ORT_NODE, Kind.TORCH_OP,
    Kind.CUDA_CALL,
)  # fmt: skip
"""What a thread calls and returns from. Ranges that a program names may begin and end as they like."""


def find_ambiguities(watched: Watched) -> list[Problem]:
    """Reused correlation ids and crossing spans."""
    return [*_reused(watched), *_crossing(watched.timeline)]


def _reused(watched: Watched) -> Iterator[Problem]:
    """Calls of one process in one trace with one correlation id, runtime and driver calls apart.

    CUPTI numbers the calls of a process from 1 on, and anew when it was detached between two traces. A driver call
    inside a runtime call may carry that call's number.
    """
    timeline = watched.timeline
    spans = timeline.spans
    calls = watched.calls[spans.correlation[watched.calls] > 0]
    process = np.array([lane.process for lane in timeline.lanes], np.int64)[spans.lane[calls]]
    driver = np.fromiter((not name.startswith("cuda") for name in timeline.names), np.bool_, len(timeline.names))
    key = spans.correlation[calls]
    rising = np.diff(key) > 0
    if rising.all() and len(np.unique(process)) <= 1:
        return
    places = np.unique(np.stack((process, spans.source[calls])), axis=1, return_inverse=True)[1].reshape(-1)
    group = places << 1 | driver[spans.name[calls]]
    order = np.lexsort((key, group))
    again = np.zeros(len(calls), np.bool_)
    again[order[1:]] = (key[order[1:]] == key[order[:-1]]) & (group[order[1:]] == group[order[:-1]])
    twice = calls[again]
    if len(twice):
        yield Problem(
            kind=ProblemKind.CORRELATION_REUSED,
            detail=f"{len(twice):,} of {len(calls):,} CUDA calls have a correlation id that another call of the same "
            "process has: which of them launched what is not known",
            count=len(twice),
            evidence=cited(twice),
        )


def _crossing(timeline: Timeline) -> Iterator[Problem]:
    spans = timeline.spans
    threads = np.array([lane.kind is LaneKind.THREAD for lane in timeline.lanes], np.bool_)
    nested = np.zeros(max(Kind) + 1, np.bool_)
    nested[list(_NESTED)] = True
    chosen = np.flatnonzero(nested[spans.kind]).astype(np.int32)
    chosen = chosen[threads[spans.lane[chosen]] & (spans.end_ns[chosen] > spans.start_ns[chosen])]
    track = spans.source[chosen] * np.int32(len(timeline.lanes)) + spans.lane[chosen]
    crossing = [
        own[sticking_out(spans.start_ns[own], spans.end_ns[own], CROSSING_SLACK_NS)] for own in _by_track(chosen, track)
    ]
    found = np.sort(np.concatenate([np.empty(0, np.int32), *crossing]))
    if len(found):
        yield Problem(
            kind=ProblemKind.SPANS_CROSS,
            detail=f"{len(found):,} of {len(chosen):,} calls begin inside another call of their thread and end after "
            "it: what happened in both is counted for the one that began last",
            count=len(found),
            evidence=cited(found),
        )


def _by_track(chosen: Int32s, track: Int32s) -> Iterator[Int32s]:
    """The spans of one source on one thread, in time order, for each of those."""
    tracks, dense = np.unique(track, return_inverse=True)
    if len(tracks) <= 1:
        yield chosen
        return
    narrow = dense.astype(np.uint16 if len(tracks) <= 1 << 16 else np.int32)
    order = np.argsort(narrow, kind="stable")
    yield from np.split(chosen[order], np.flatnonzero(np.diff(narrow[order])) + 1)
