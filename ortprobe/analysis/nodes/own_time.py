"""Host time of nodes, each nanosecond in the innermost node alone: `If`, `Loop` and `Scan` enclose their subgraph's."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import NONE, Int32s, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import enclosing


def own_host_ns(timeline: Timeline) -> Int64s:
    """For each row of `Timeline.node_spans`, what it took less what the executions inside of it took."""
    spans, executed = timeline.spans, timeline.node_spans.span
    own_ns = spans.duration_ns[executed].copy()
    around = executions_around(timeline)
    inner = np.flatnonzero(around != NONE)
    outer = around[inner]
    end_ns = np.minimum(spans.end_ns[executed[inner]], spans.end_ns[executed[outer]])
    np.subtract.at(own_ns, outer, end_ns - spans.start_ns[executed[inner]])
    return own_ns


def executions_around(timeline: Timeline) -> Int32s:
    """For each row of `Timeline.node_spans` the row of the execution around it on its thread; NONE for outermost."""
    spans, executed = timeline.spans, timeline.node_spans.span
    around = np.full(len(executed), NONE, np.int32)
    for _, rows in rows_by_value(spans.lane[executed]):
        parent = enclosing(spans.start_ns[executed[rows]], spans.end_ns[executed[rows]])
        around[rows] = np.where(parent == NONE, NONE, rows[parent])
    return around
