"""Events that must have been there: launches without work, work without launches, profiles at ORT's cap.

Where in a trace launches lack their work tells why. At its head: CUPTI gives the first kernels of each profiling
session but a process's first wrong times, and Kineto drops them (pytorch issue 192021). At its tail: Kineto stops
collecting when its buffers are full, 128 MB unless `ACTIVITIES_MAX_GPU_BUFFER_SIZE_MB` says otherwise, and says so only
in its log (kineto `Config.cpp`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ortprobe.ingest.watched import Watched, cited, stretch
from ortprobe.timeline import NONE, Bools, Int32s, Problem, ProblemKind, SourceKind, Timeline
from ortprobe.units import format_ns

ORT_CAP = 1_000_000
"""Events after which ORT's profiler drops all others (`profiler.cc`, `global_max_num_events_`)."""
LEAST_TAIL = 10
"""Launches without work at a trace's end that make a tail. Full buffers lose records by the thousand."""


def find_losses(watched: Watched) -> list[Problem]:
    """Launches without their work, trace by trace, and work without its launch."""
    spans, launches = watched.timeline.spans, watched.launches
    found: list[Problem] = []
    for source in np.unique(spans.source[launches[watched.fruitless]]).tolist():
        own = spans.source[launches] == source
        found += _lost_work(watched, source, launches[own], watched.fruitless[own])
    return [*found, *_lost_launches(watched)]


def find_full_profiles(timeline: Timeline) -> Iterator[Problem]:
    """Profiles with as many events as ORT's profiler takes. ORT 1.30 and earlier say so only in their log."""
    stated = {problem.source for problem in timeline.problems if problem.kind is ProblemKind.PROFILE_TRUNCATED}
    for number, source in enumerate(timeline.sources):
        if source.kind is SourceKind.ORT_PROFILE and source.spans >= ORT_CAP and number not in stated:
            detail = f"{source.path} holds {source.spans:,} events, which is all that ONNX Runtime records: it dropped "
            detail += "what came after"
            problem = Problem(kind=ProblemKind.PROFILE_TRUNCATED, detail=detail, source=number)
            yield with_stretch(timeline, problem)


def with_stretch(timeline: Timeline, problem: Problem) -> Problem:
    """A truncated profile, with the stretch that it does not hold: from its last event on."""
    if problem.kind is not ProblemKind.PROFILE_TRUNCATED or problem.source is None or problem.start_ns is not None:
        return problem
    own = np.flatnonzero(timeline.spans.source == problem.source).astype(np.int32)
    _, end_ns = stretch(timeline.spans, own)
    return replace(problem, start_ns=end_ns, end_ns=timeline.end_ns if end_ns is not None else None)


def _lost_work(watched: Watched, source: int, launches: Int32s, fruitless: Bools) -> Iterator[Problem]:
    """The head, the tail and the rest of one trace's launches without work."""
    spans = watched.timeline.spans
    fruitful = np.flatnonzero(~fruitless)
    head = int(fruitful[0]) if len(fruitful) else 0
    past = int(fruitful[-1]) + 1 if len(fruitful) else len(launches)
    past = past if len(launches) - past >= LEAST_TAIL else len(launches)
    total, path = len(launches), watched.timeline.sources[source].path
    if head:
        yield Problem(
            kind=ProblemKind.LOST_HEAD,
            detail=f"the first {head:,} of {total:,} kernel launches in {path} have no kernel: the profiler loses some "
            "whenever it starts again in a process",
            source=source,
            count=head,
            evidence=cited(launches[:head]),
            start_ns=int(spans.start_ns[launches[0]]),
            end_ns=int(spans.start_ns[launches[head]]),
        )
    lost = launches[head:past][fruitless[head:past]]
    if len(lost):
        detail = f"{len(lost):,} of {total:,} kernel launches have no kernel in the trace"
        kind = ProblemKind.LAUNCHES_WITHOUT_WORK
        yield Problem(kind=kind, detail=detail, source=source, count=len(lost), evidence=cited(lost))
    if past < total:
        yield _lost_tail(watched, source, launches[past:], total)


def _lost_tail(watched: Watched, source: int, tail: Int32s, total: int) -> Problem:
    spans = watched.timeline.spans
    of_trace = watched.work[spans.source[watched.work] == source]
    last_ns = int(spans.end_ns[of_trace].max())
    end_ns = int(spans.end_ns[spans.source == source].max())
    return Problem(
        kind=ProblemKind.LOST_TAIL,
        detail=f"the last {len(tail):,} of {total:,} kernel launches in {watched.timeline.sources[source].path} have "
        f"no kernel, and its last device work ended {format_ns(end_ns - last_ns)} before it does: torch's profiler was "
        "full (128 MB by default) or stopped early; trace a shorter stretch",
        source=source,
        count=len(tail),
        evidence=cited(tail),
        start_ns=min(last_ns, int(spans.start_ns[tail[0]])),
        end_ns=end_ns,
    )


def _lost_launches(watched: Watched) -> Iterator[Problem]:
    timeline, work = watched.timeline, watched.work
    orphans = work[timeline.links.launch[work] == NONE]
    if not len(orphans):
        return
    early = int(_before_first_call(watched, orphans).sum())
    before = f"; {early:,} of them began before the first call in their trace" if early else ""
    yield Problem(
        kind=ProblemKind.WORK_WITHOUT_LAUNCH,
        detail=f"{len(orphans):,} of {len(work):,} pieces of device work have no launching call in the trace{before}",
        count=len(orphans),
        evidence=cited(orphans),
    )


def _before_first_call(watched: Watched, work: Int32s) -> Bools:
    spans = watched.timeline.spans
    first_ns = np.full(len(watched.timeline.sources), np.iinfo(np.int64).max)
    np.minimum.at(first_ns, spans.source[watched.calls], spans.start_ns[watched.calls])
    return np.asarray(spans.start_ns[work] < first_ns[spans.source[work]])
