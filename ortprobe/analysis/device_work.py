"""Device work in the order in which streams execute it, to ask what was outstanding when somebody waited."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.timeline import NONE, Int32s, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWork:
    """The work of one stream of one device, in the order it was enqueued. All columns have the same length."""

    process: int
    span: Int32s
    start_ns: Int64s
    launch_ns: Int64s
    """Start of the launching call; the work's own start where the trace holds no call."""
    correlation: Int64s
    reach_ns: Int64s
    """End of the latest-ending work up to here."""
    last: Int32s
    """Row of that latest-ending work."""

    def done_before(self, row: int) -> tuple[int, int]:
        """(end_ns, span) of the last work among the first `row` rows; (0, NONE) when `row` is 0."""
        if row <= 0:
            return 0, NONE
        return int(self.reach_ns[row - 1]), int(self.span[self.last[row - 1]])

    def enqueued_before(self, correlation: int) -> int:
        """How many pieces of work were enqueued before the call with this correlation id.

        CUPTI hands out correlation ids at the entry of API calls, process-wide and rising.
        """
        return int(np.searchsorted(self.correlation, correlation, side="left"))


StreamKey = tuple[int, int]
"""(device, CUPTI stream id)."""


def work_by_stream(timeline: Timeline) -> dict[StreamKey, StreamWork]:
    """All device work, stream by stream."""
    ops, spans = timeline.device_ops, timeline.spans
    launch = timeline.links.launch[ops.span]
    start_ns = spans.start_ns[ops.span]
    launch_ns = np.where(launch == NONE, start_ns, spans.start_ns[launch])
    found = {}
    for device, of_device in rows_by_value(ops.device):
        for stream, rows in rows_by_value(ops.stream[of_device]):
            mine = of_device[rows]
            correlation = spans.correlation[ops.span[mine]]
            order = mine[np.lexsort((start_ns[mine], correlation))]
            found[device, stream] = _in_order(timeline, ops.span[order], launch_ns[order])
    return found


def _in_order(timeline: Timeline, span: Int32s, launch_ns: Int64s) -> StreamWork:
    end_ns = timeline.spans.end_ns[span]
    reach_ns = np.maximum.accumulate(end_ns)
    rises = np.flatnonzero(end_ns == reach_ns)
    last = rises[np.searchsorted(rises, np.arange(len(span)), side="right") - 1]
    return StreamWork(
        process=timeline.lane_of(int(span[0])).process,
        span=span,
        start_ns=timeline.spans.start_ns[span],
        launch_ns=np.maximum.accumulate(launch_ns),
        correlation=timeline.spans.correlation[span],
        reach_ns=reach_ns,
        last=last.astype(np.int32),
    )
