"""On which device the stream lies that a wait is for."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import NONE, Int32s, Kind, Timeline


def waited_devices(timeline: Timeline) -> Int32s:
    """For each of `Timeline.waits` the CUDA device on which the event was recorded that it waits for: a stream can wait
    for one of another GPU. Where the record is not in the trace, the waiter's own."""
    spans, waits = timeline.spans, timeline.waits
    records = spans.of_kind(Kind.EVENT_RECORD)
    lanes = timeline.lanes
    recorded_on = {
        key: lanes[lane].device
        for key, lane in zip(
            zip(spans.source[records].tolist(), spans.correlation[records].tolist(), strict=True),
            spans.lane[records].tolist(),
            strict=True,
        )
    }
    device = waits.device.copy()
    rows = np.flatnonzero(waits.record_correlation != NONE)
    sources, wanted = spans.source[waits.span[rows]].tolist(), waits.record_correlation[rows].tolist()
    for row, key in zip(rows.tolist(), zip(sources, wanted, strict=True), strict=True):
        device[row] = recorded_on.get(key, device[row])
    return device
