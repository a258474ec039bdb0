"""Waits whose other side the trace does not name, or names wrongly.

Kineto writes what CUPTI says of a wait and looks the waited event up itself: not at all on CUPTI 12.9 and later without
activity kind 36 (kineto issue 1552), only among events recorded inside the window, and until torch 2.12 by the last
record it had seen, which can lie in the future (kineto issue 1339). It drops the waits of streams without work in the
window (kineto issues 795 and 908), and writes hardly any driver calls, so that waits of libraries that use the driver
lack their call.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ortprobe.ingest.watched import Watched, cited
from ortprobe.timeline import DEVICE_TRACES, NONE, Bools, Int32s, Int64s, Problem, ProblemKind, SourceKind, WaitKind
from ortprobe.timeline.cuda_calls import EVENT_RECORDS


def find_wait_holes(watched: Watched) -> list[Problem]:
    """Unresolved, dropped, misnamed and orphaned waits."""
    if not len(watched.timeline.waits.span):
        calls = len(watched.named(("cudaStreamWaitEvent",)))
        lost = f", though {calls:,} calls made streams wait" if calls else ""
        by_nsys = {source.kind for source in watched.timeline.sources} & {*DEVICE_TRACES} == {SourceKind.NSIGHT}
        why = "" if by_nsys else " (was enable_cuda_sync_events off?)"
        detail = f"the trace holds no synchronisation records{lost}{why}"
        return [Problem(kind=ProblemKind.NO_SYNC_RECORDS, detail=detail)]
    return [*_unresolved(watched), *_dropped(watched), *_misnamed(watched), *_orphans(watched)]


def _unresolved(watched: Watched) -> Iterator[Problem]:
    waits = watched.timeline.waits
    on_event = waits.kind == WaitKind.STREAM_WAIT_EVENT
    lost = waits.span[on_event & (waits.waited_stream == NONE)]
    if len(lost):
        detail = f"{len(lost):,} of {int(on_event.sum()):,} stream waits don't say which stream they wait for"
        yield _problem(ProblemKind.WAITS_UNRESOLVED, detail, lost)


def _dropped(watched: Watched) -> Iterator[Problem]:
    """Calls without their record."""
    timeline = watched.timeline
    calls = watched.named(("cudaStreamWaitEvent",))
    recorded = np.zeros(len(timeline.spans) + 1, np.bool_)
    recorded[timeline.links.launch[timeline.waits.span]] = True
    lost = calls[~recorded[calls]]
    if len(lost):
        detail = f"{len(lost):,} of {len(calls):,} cudaStreamWaitEvent calls left no synchronisation record"
        yield _problem(ProblemKind.WAITS_DROPPED, detail, lost)


def _misnamed(watched: Watched) -> Iterator[Problem]:
    """Waits for events that nobody recorded in the trace, or that were recorded only later."""
    timeline = watched.timeline
    spans, waits = timeline.spans, timeline.waits
    rows = np.flatnonzero(waits.record_correlation != NONE)
    records = watched.named(EVENT_RECORDS)
    found, record = _lookup(
        _key(spans.source[records], spans.correlation[records]),
        _key(spans.source[waits.span[rows]], waits.record_correlation[rows]),
    )
    missing = waits.span[rows[~found]]
    if len(missing):
        detail = f"{len(missing):,} of {len(rows):,} waits name an event whose cudaEventRecord is not in the trace: it "
        detail += "was recorded before the trace began, or by a library that uses the driver"
        yield _problem(ProblemKind.EVENT_RECORD_MISSING, detail, missing)
    waiting = waits.span[rows[found]]
    call = timeline.links.launch[waiting]
    waited_ns = spans.end_ns[np.where(call == NONE, waiting, call)]
    future = waiting[spans.start_ns[records[record[found]]] > waited_ns]
    if len(future):
        detail = f"{len(future):,} of {len(rows):,} waits name an event that was recorded after them: what they waited "
        detail += "for is another record of it (torch 2.12 and earlier)"
        yield _problem(ProblemKind.WAITS_ON_FUTURE, detail, future)


def _orphans(watched: Watched) -> Iterator[Problem]:
    timeline = watched.timeline
    lost = timeline.waits.span[timeline.links.launch[timeline.waits.span] == NONE]
    if len(lost):
        detail = f"{len(lost):,} of {len(timeline.waits.span):,} synchronisation records have no call in the trace: a "
        detail += "library made them through the driver, on a thread that nobody knows"
        yield _problem(ProblemKind.SYNC_WITHOUT_CALL, detail, lost)


def _problem(kind: ProblemKind, detail: str, spans: Int32s) -> Problem:
    return Problem(kind=kind, detail=detail, count=len(spans), evidence=cited(spans))


def _key(source: Int32s, correlation: Int64s) -> Int64s:
    return source.astype(np.int64) << 40 | correlation


def _lookup(known: Int64s, wanted: Int64s) -> tuple[Bools, Int64s]:
    """(whether each wanted key is among the known ones, where)."""
    if not len(known):
        return np.zeros(len(wanted), np.bool_), np.zeros(len(wanted), np.int64)
    order = np.argsort(known, kind="stable")
    at = order[np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)]
    return known[at] == wanted, at
