"""Arrows: from a call to the work that it launched, from a node to its work, from work to the wait for it."""

from __future__ import annotations

import numpy as np

from ortprobe.report.rows.marks import REFS, Category, Marks, Ref
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import DEVICE_WORK, NONE, Int64s

Flows = tuple[Int64s, Int64s, Int64s]
"""For each mark the ids of the flows that it is part of, one column for each kind; 0 for none."""
_LAUNCHES, _NODES, _WAITS = 1 << 40, 2 << 40, 3 << 40
"""What the ids of each kind begin with."""


def flows_of(judgement: Judgement, marks: Marks) -> Flows:
    """The flows of each mark."""
    timeline, waits = judgement.analyses.timeline, judgement.analyses.waits
    spans = timeline.spans
    launch, node_span = timeline.links.launch.astype(np.int64), timeline.links.node_span.astype(np.int64)
    is_work = np.isin(spans.kind, DEVICE_WORK)
    launched = np.zeros(len(spans) + 1, np.int64)
    of_node = np.zeros(len(spans) + 1, np.int64)
    work = np.flatnonzero(is_work & (launch != NONE))
    launched[work] = launched[launch[work]] = _LAUNCHES + launch[work]
    executed = np.flatnonzero(is_work & (node_span != NONE))
    of_node[executed] = of_node[node_span[executed]] = _NODES + node_span[executed]
    span, wait = _refs(marks, Ref.SPAN), _refs(marks, Ref.WAIT)
    awaited = np.zeros(len(spans) + 1, np.int64)
    known = np.flatnonzero(waits.work != NONE)
    awaited[waits.work[known]] = _WAITS + waits.work[known].astype(np.int64)
    of_wait = np.zeros(len(waits) + 1, np.int64)
    of_wait[known] = awaited[waits.work[known]]
    return launched[span], of_node[span], np.where(wait != NONE, of_wait[wait], awaited[span])


def _refs(marks: Marks, kind: Ref) -> Int64s:
    """What each mark refers to, where that is of this kind; NONE otherwise."""
    of_kind = np.array([REFS[category] is kind for category in Category], np.bool_)
    return np.where(of_kind[marks.category], marks.ref, NONE)
