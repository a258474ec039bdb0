"""Times that can't be true: work before its launch or after the wait for it, spans without a sane length, misplaced
profiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.ingest.watched import Watched, cited, stretch
from ortprobe.timeline import (
    DEVICE_TRACES,
    DEVICE_WORK,
    NONE,
    Bools,
    Int32s,
    Int64s,
    Kind,
    Problem,
    ProblemKind,
    WaitKind,
)

CLOCK_SLACK_NS = 10_000
"""CUPTI interpolates device time; a few µs before the launch are its error, more is not."""
LONGEST_NS = 86_400_000_000_000
"""A day: no kernel, call or node takes that long."""
OUTSIDE_NS = 1_000_000_000
"""Device work this far from every host span of its trace lies outside of the time in which it was recorded."""

_SYNCS = ("cudaStreamSynchronize", "cuStreamSynchronize", "cudaDeviceSynchronize", "cuCtxSynchronize")


def find_wrong_device_times(watched: Watched) -> list[Problem]:
    """Device work that no clock can have shown like this."""
    return [*_before_launch(watched), *_after_sync(watched)]


def find_impossible_times(watched: Watched) -> Iterator[Problem]:
    """Spans of a day and more or less than nothing, and device work far outside of its trace."""
    spans = watched.timeline.spans
    length_ns = spans.duration_ns
    timed = (spans.kind != Kind.ANNOTATION) & (spans.kind != Kind.PYTHON) & (spans.kind != Kind.GPU_ANNOTATION)
    wrong = (length_ns > LONGEST_NS) & timed
    wrong[watched.work[_outside(watched)]] = True
    chosen = np.flatnonzero(wrong).astype(np.int32)
    if len(chosen):
        yield Problem(
            kind=ProblemKind.IMPOSSIBLE_TIMES,
            detail=f"{len(chosen):,} of {len(spans):,} spans have times that can't be true: they last for more than a "
            "day, or lie on a device outside of the time in which it was recorded",
            count=len(chosen),
            evidence=cited(chosen),
        )
    for number, source in enumerate(watched.timeline.sources):
        if source.backwards:
            detail = f"{source.path}: {source.backwards:,} of {source.spans:,} events end before they begin"
            count = source.backwards
            yield Problem(kind=ProblemKind.IMPOSSIBLE_TIMES, detail=detail, source=number, count=count)


def with_witnesses(watched: Watched, problem: Problem) -> Problem:
    """A doubt about a profile's clock, with the launches inside its runs that lie in none of its nodes."""
    timeline = watched.timeline
    if problem.kind is not ProblemKind.CLOCK_DOUBT or problem.source is None or problem.evidence:
        return problem
    sessions = [session.index for session in timeline.sessions if session.profile == problem.source]
    of_source = np.isin(timeline.runs.session, sessions) & (timeline.runs.attached & ATTACHED_ORT_PROFILE > 0)
    run = timeline.links.run[watched.launches]
    outside = (run != NONE) & (timeline.links.node_span[watched.launches] == NONE)
    outside[outside] = of_source[run[outside]]
    return replace(problem, evidence=cited(watched.launches[outside]))


def _before_launch(watched: Watched) -> Iterator[Problem]:
    spans, launch = watched.timeline.spans, watched.timeline.links.launch
    launched = watched.work[launch[watched.work] != NONE]
    early = launched[spans.start_ns[launched] < spans.start_ns[launch[launched]] - CLOCK_SLACK_NS]
    if len(early):
        yield Problem(
            kind=ProblemKind.WORK_BEFORE_LAUNCH,
            detail=f"{len(early):,} of {len(watched.work):,} pieces of device work begin before they were launched: "
            "their times are wrong",
            count=len(early),
            evidence=cited(early),
        )


def _after_sync(watched: Watched) -> Iterator[Problem]:
    """Work that still runs when a call has returned that waited for its stream or device."""
    timeline = watched.timeline
    spans, waits = timeline.spans, timeline.waits
    named = np.zeros(len(spans) + 1, np.bool_)
    named[watched.named(_SYNCS)] = True
    call = timeline.links.launch[waits.span]
    kept = np.isin(waits.kind, (WaitKind.STREAM_SYNC, WaitKind.DEVICE_SYNC)) & named[call]
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(spans.start_ns[call[rows]], kind="stable")]
    late = _running(watched, call[rows], _place(waits.device[rows], waits.stream[rows]), per_stream=True)
    whole = waits.kind[rows] == WaitKind.DEVICE_SYNC
    devices = _place(waits.device[rows[whole]], _process(watched, waits.span[rows[whole]]))
    late[whole] = _running(watched, call[rows[whole]], devices, per_stream=False)
    work = late[late != NONE]
    if len(work):
        yield Problem(
            kind=ProblemKind.WORK_AFTER_SYNC,
            detail=f"{len(work):,} of {len(rows):,} calls that wait for a stream or device returned while work they "
            "waited for was running: the times of device work are wrong",
            count=len(work),
            evidence=cited(work),
        )


def _running(watched: Watched, syncs: Int32s, places: Int64s, *, per_stream: bool) -> Int32s:
    """For each call that waits, the last-ending work enqueued before it where that ends after it, else NONE.

    `places` are the streams, or a process's devices, that are waited for; the calls are in time order.
    """
    timeline = watched.timeline
    spans, ops = timeline.spans, timeline.device_ops
    found = np.full(len(syncs), NONE, np.int32)
    launch = timeline.links.launch[ops.span]
    place = _place(ops.device, ops.stream if per_stream else _process(watched, ops.span))
    waited = np.flatnonzero((launch != NONE) & np.isin(place, places))
    enqueued_ns = spans.end_ns[launch[waited]]
    order = np.lexsort((enqueued_ns, place[waited]))
    waited, enqueued_ns = waited[order], enqueued_ns[order]
    values, first = np.unique(place[waited], return_index=True)
    for value, (begin, end) in zip(values.tolist(), pairwise([*first.tolist(), len(waited)]), strict=True):
        of_place = np.flatnonzero(places == value)
        before = np.searchsorted(enqueued_ns[begin:end], spans.start_ns[syncs[of_place]])
        ends_ns = spans.end_ns[ops.span[waited[begin:end]]]
        reach_ns = np.concatenate(([np.iinfo(np.int64).min], np.maximum.accumulate(ends_ns)))
        late = reach_ns[before] > spans.end_ns[syncs[of_place]] + CLOCK_SLACK_NS
        last = np.searchsorted(np.maximum.accumulate(ends_ns), reach_ns[before[late]])
        found[of_place[late]] = ops.span[waited[begin:end][last]]
    return found


def _process(watched: Watched, spans: Int32s) -> Int64s:
    of_lane = np.array([lane.process for lane in watched.timeline.lanes], np.int64)
    return of_lane[watched.timeline.spans.lane[spans]]


def _place(device: Int32s, within: Int64s) -> Int64s:
    return device.astype(np.int64) << 40 | (within & 0xFFFFFFFFFF)


def _outside(watched: Watched) -> Bools:
    """Device work more than a second before or after all that its trace shows of the host."""
    timeline = watched.timeline
    spans, sources = timeline.spans, timeline.sources
    low_ns = np.full(len(sources), np.iinfo(np.int64).min)
    high_ns = np.full(len(sources), np.iinfo(np.int64).max)
    on_host = ~np.isin(spans.kind, (*DEVICE_WORK, Kind.EVENT_RECORD, Kind.GPU_ANNOTATION, Kind.WAIT))
    for number, source in enumerate(sources):
        if source.kind in DEVICE_TRACES:
            own = np.flatnonzero(on_host & (spans.source == number)).astype(np.int32)
            start_ns, end_ns = stretch(spans, own)
            if start_ns is not None and end_ns is not None:
                low_ns[number], high_ns[number] = start_ns - OUTSIDE_NS, end_ns + OUTSIDE_NS
    of = spans.source[watched.work]
    return np.asarray((spans.end_ns[watched.work] < low_ns[of]) | (spans.start_ns[watched.work] > high_ns[of]))
