"""A merged trace in Chrome's JSON format, for whatever reads that: Perfetto, Speedscope, chrome://tracing, scripts.

Lanes are processes and their rows threads, so that viewers keep the page's order; times are µs with three decimals
since the first event (Trace Event Format, "Complete Events", "Flow Events", "Metadata Events").

`otherData`, which viewers show or skip, holds the Timeline itself, so that ortprobe can read it back.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import msgspec
import numpy as np

from ortprobe.ingest.exported import TIMELINE_KEY
from ortprobe.report.perfetto.carried import carried
from ortprobe.report.rows.counters import counters
from ortprobe.report.rows.findings import add_findings
from ortprobe.report.rows.flows import Flows, flows_of
from ortprobe.report.rows.marks import Category, Marks, MarkSheet, NamePool
from ortprobe.report.rows.sheet import lay_out
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Timeline

Event = dict[str, object]
_FLOWS = ("launch", "node", "wait")


def render_chrome(judgement: Judgement) -> bytes:
    """The judged capture as one JSON object with `traceEvents`."""
    timeline = judgement.analyses.timeline
    pool = NamePool(list(timeline.names))
    sheet = lay_out(judgement, pool)
    told = add_findings(sheet, judgement, pool)
    marks = sheet.marks()
    events = [
        *_lanes(sheet),
        *_slices(timeline, sheet, marks, pool, told),
        *_arrows(timeline, sheet, marks, flows_of(judgement, marks)),
        *_counted(timeline, len(sheet.lanes)),
    ]
    document = {
        "displayTimeUnit": "ns",
        "otherData": {
            TIMELINE_KEY: base64.urlsafe_b64encode(carried(timeline)).decode("ascii"),
            "start_ns": timeline.start_ns,
            "target": timeline.capture.target,
        },
        "traceEvents": events,
    }
    return msgspec.json.encode(document)


def _lanes(sheet: MarkSheet) -> Iterator[Event]:
    for number, lane in enumerate(sheet.lanes):
        if not lane.counter:
            yield _named("process_name", number, 0, name=lane.label)
            yield _named("process_sort_index", number, 0, sort_index=number)
    for number, row in enumerate(sheet.rows):
        yield _named("thread_name", row.lane, number, name=row.layer)
        yield _named("thread_sort_index", row.lane, number, sort_index=number)


def _named(what: str, lane: int, row: int, **args: object) -> Event:
    return {"ph": "M", "name": what, "pid": lane, "tid": row, "args": args}


def _slices(
    timeline: Timeline, sheet: MarkSheet, marks: Marks, pool: NamePool, told: dict[int, str]
) -> Iterator[Event]:  # fmt: skip
    categories = [category.name.lower() for category in Category]
    nodes = [timeline.names[name] for name in timeline.nodes.name.tolist()]
    columns = (marks.row, marks.start_ns, marks.end_ns, marks.name, marks.category, marks.node, marks.run)
    for row, start_ns, end_ns, name, category, node, run in zip(*(column.tolist() for column in columns), strict=True):
        args: Event = {}
        if node != NONE:
            args["node"] = nodes[node]
        if run != NONE:
            args["run"] = run
        if name in told:
            args["finding"] = told[name]
        yield {
            "ph": "X", "name": pool.names[name], "cat": categories[category], "pid": sheet.rows[row].lane, "tid": row,
            "ts": (start_ns - timeline.start_ns) / 1000, "dur": (end_ns - start_ns) / 1000, "args": args,
        }  # fmt: skip


def _arrows(timeline: Timeline, sheet: MarkSheet, marks: Marks, flows: Flows) -> Iterator[Event]:
    """From the first mark of a flow to each of the others."""
    for kind, ids in zip(_FLOWS, flows, strict=True):
        part = np.flatnonzero(ids)
        part = part[np.lexsort((marks.start_ns[part], ids[part]))]
        first = ids[part] != np.concatenate(([0], ids[part][:-1]))
        columns = ids[part], first, marks.row[part], marks.start_ns[part]
        for flow, begins, row, start_ns in zip(*(column.tolist() for column in columns), strict=True):
            yield {
                "ph": "s" if begins else "f", "bp": "e", "id": flow, "name": kind, "cat": "flow",
                "pid": sheet.rows[row].lane, "tid": row, "ts": (start_ns - timeline.start_ns) / 1000,
            }  # fmt: skip


def _counted(timeline: Timeline, lane: int) -> Iterator[Event]:
    for counter in counters(timeline):
        for at_ns, value in zip(counter.time_ns.tolist(), counter.value.tolist(), strict=True):
            ts = (at_ns - timeline.start_ns) / 1000
            yield {"ph": "C", "name": counter.name, "pid": lane, "tid": 0, "ts": ts, "args": {"value": value}}
