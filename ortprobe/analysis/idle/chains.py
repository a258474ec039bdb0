"""Streams that wait for a stream that waits itself: what the first one waits for is done when the last one's is."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import itemgetter

import numpy as np

from ortprobe.analysis.device_work import StreamKey, StreamWork, work_by_stream
from ortprobe.analysis.waits.waited_devices import waited_devices
from ortprobe.timeline import NONE, Int32s, Timeline, WaitKind

_Done = tuple[int, int]
"""(end in ns, device work) of the last work that something waits for; work NONE when there is none."""


def with_chains(timeline: Timeline, held: Int32s) -> Int32s:
    """`held`, with what work really waits for where the stream that it waits for was held back itself.

    `held` has, for each span, as device work, the stream's wait in front of it and the last work waited for.
    """
    waits = timeline.waits
    resolved = np.flatnonzero((waits.kind == WaitKind.STREAM_WAIT_EVENT) & (waits.record_correlation != NONE))
    if not np.isin(waits.waited_stream[resolved], waits.stream[resolved]).any():
        return held
    work = work_by_stream(timeline)
    held = held.copy()
    order = resolved[np.argsort(timeline.spans.correlation[waits.span[resolved]], kind="stable")]
    waited_device = waited_devices(timeline)
    pending: dict[StreamKey, list[tuple[int, _Done]]] = {}
    for row in order.tolist():
        device, correlation = int(waits.device[row]), int(timeline.spans.correlation[waits.span[row]])
        waiting, waited = (device, int(waits.stream[row])), (int(waited_device[row]), int(waits.waited_stream[row]))
        direct, chained = _done(work.get(waited), pending.get(waited, []), int(waits.record_correlation[row]))
        pending.setdefault(waiting, []).append((correlation, max(direct, chained)))
        if chained <= direct or waiting not in work:
            continue
        following = work[waiting].enqueued_before(correlation)
        if following == len(work[waiting].span):
            continue
        span = int(work[waiting].span[following])
        if held[span, 1] == NONE or chained[0] > timeline.spans.end_ns[held[span, 1]]:
            held[span] = waits.span[row], chained[1]
    return held


def _done(work: StreamWork | None, pending: list[tuple[int, _Done]], record: int) -> tuple[_Done, _Done]:
    """What was in front of an event's record: the stream's own work, and what its waits since then waited for."""
    count = work.enqueued_before(record) if work is not None else 0
    since = int(work.correlation[count - 1]) if work is not None and count else NONE
    direct = work.done_before(count) if work is not None else (0, NONE)
    first = bisect_right(pending, since, key=itemgetter(0))
    past = bisect_left(pending, record, key=itemgetter(0))
    return direct, max((done for _, done in pending[first:past]), default=(0, NONE))
