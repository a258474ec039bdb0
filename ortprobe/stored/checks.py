"""What holds of every Timeline that ortprobe made, so that one from a stranger can be told from it.

Everything after this counts on it: that indices are those of rows that are there, that spans are in order, and that
tables have a row for each span of their kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from enum import IntEnum
from functools import cache
from typing import Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ortprobe.bundle.records import LIMIT
from ortprobe.timeline import (
    DEVICE_WORK,
    NONE,
    DeviceOps,
    Handovers,
    HookCalls,
    Kind,
    LaneKind,
    Links,
    ModelGraph,
    ModelLinks,
    Nodes,
    NodeSpans,
    Ragged,
    Runs,
    Spans,
    TensorUses,
    Timeline,
    Waits,
)
from ortprobe.timeline.spans import InNames

_Column = NDArray[Any]

REFERENCES: Mapping[type, Mapping[str, str]] = {
    Spans: {"lane": "lanes", "source": "sources"},
    DeviceOps: {"span": "spans"},
    Waits: {"span": "spans"},
    Nodes: {"session": "sessions"},
    NodeSpans: {"span": "spans", "node": "nodes"},
    HookCalls: {"span": "spans", "session": "sessions"},
    Handovers: {"lane": "lanes"},
    TensorUses: {},
    Runs: {
        "session": "sessions", "lane": "lanes", "hook_span": "spans", "run_span": "spans", "execute_span": "spans",
    },
    Links: {"launch": "spans", "node": "nodes", "node_span": "spans", "run": "runs", "hook": "hooks"},
    ModelLinks: {"model": "models"},
}  # fmt: skip
"""Columns whose numbers are rows of a table of the Timeline, those of names aside."""

NEVER_NONE: Mapping[type, Sequence[str]] = {
    Spans: ("lane", "name", "source"),
    Nodes: ("session", "name", "op_type", "provider"),
    NodeSpans: ("node",),
    HookCalls: ("what",),
    Handovers: ("lane",),
    TensorUses: ("op",),
    Runs: ("lane",),
}
"""Of these and of those that names name, the columns in which something stands always."""

_OF_KINDS: Mapping[str, Sequence[Kind]] = {
    "device_ops": DEVICE_WORK,
    "waits": (Kind.WAIT,),
    "node_spans": (Kind.ORT_NODE,),
    "hooks": (Kind.HOOK,),
}
"""Tables that have a row for each span of these kinds, in their order."""

_POINT_AT: Mapping[tuple[str, str], Kind] = {
    ("runs", "hook_span"): Kind.HOOK,
    ("runs", "run_span"): Kind.ORT_RUN,
    ("runs", "execute_span"): Kind.ORT_EXECUTE,
    ("links", "launch"): Kind.CUDA_CALL,
    ("links", "node_span"): Kind.ORT_NODE,
}
"""Columns of spans of one kind."""

_IN_ORDER: Mapping[str, str] = {
    "runs": "start_ns",
    "handovers": "at_ns",
    "tensor_uses": "start_ns",
}


def contradiction(timeline: Timeline) -> str:
    """The first thing found in a Timeline that can't be so, in a few words; empty where nothing is."""
    return next(_contradictions(timeline), "")


def _contradictions(timeline: Timeline) -> Iterator[str]:
    """Each relies on what those before it have looked at."""
    yield from _numbers_beyond(timeline)
    yield from _tables(timeline)
    yield from _order(timeline)
    yield from _kinds(timeline)
    yield from _objects(timeline)
    for model in timeline.models:
        yield from _model(model)
    yield from _origins(timeline)


def _tables(timeline: Timeline) -> Iterator[str]:
    for field in fields(Timeline):
        rows = getattr(timeline, field.name)
        if type(rows) not in REFERENCES:
            continue
        columns = {name: column for name, column in _columns(rows).items() if isinstance(column, np.ndarray)}
        wanted = {Links: len(timeline.spans)}.get(type(rows), len(next(iter(columns.values()))))
        if any(len(column) != wanted for column in columns.values()):
            yield f"columns of {field.name} differ in length"
            continue
        for name, column in columns.items():
            yield from _column(timeline, field.name, name, column)


def _column(timeline: Timeline, table: str, name: str, column: _Column) -> Iterator[str]:
    owner: type = type(getattr(timeline, table))
    stands_for = _stands_for(owner).get(name)
    target = "names" if stands_for is InNames else REFERENCES[owner].get(name)
    if target is not None:
        least = 0 if name in NEVER_NONE.get(owner, ()) else NONE
        if not _within(column, least, len(_column_or_objects(timeline, target))):
            yield f"{table}.{name} counts {target} that are not there"
    elif isinstance(stands_for, type) and issubclass(stands_for, IntEnum):
        if not np.isin(column, tuple(stands_for)).all():
            yield f"{table}.{name} holds what no {stands_for.__name__} is"
    elif name.endswith("_ns") and not _within(column, 1 - LIMIT, LIMIT):
        yield f"{table}.{name} holds no times"
    if name == "end_ns" and (column < getattr(timeline, table).start_ns).any():
        yield f"{table} end before they start"


def _column_or_objects(timeline: Timeline, table: str) -> Sequence[object] | _Column:
    """Something of the length of a table."""
    rows = getattr(timeline, table)
    return rows if isinstance(rows, tuple) else next(iter(_columns(rows).values()))


def _order(timeline: Timeline) -> Iterator[str]:
    start_ns, end_ns = timeline.spans.start_ns, timeline.spans.end_ns
    later = start_ns[1:] > start_ns[:-1]
    if not (later | (start_ns[1:] == start_ns[:-1]) & (end_ns[1:] <= end_ns[:-1])).all():
        yield "spans are out of order"
    for table, by in _IN_ORDER.items():
        times_ns = getattr(getattr(timeline, table), by)
        if (times_ns[1:] < times_ns[:-1]).any():
            yield f"{table} are out of order"


def _kinds(timeline: Timeline) -> Iterator[str]:
    spans = timeline.spans
    for table, kinds in _OF_KINDS.items():
        if not np.array_equal(getattr(timeline, table).span, spans.of_kind(*kinds)):
            yield f"{table} are not of the spans of their kind"
    for (table, name), kind in _POINT_AT.items():
        pointed = getattr(getattr(timeline, table), name)
        if (spans.kind[pointed[pointed != NONE]] != kind).any():
            yield f"{table}.{name} names spans of another kind"
    is_stream = np.array([lane.kind == LaneKind.STREAM for lane in timeline.lanes], np.bool_)
    if not is_stream[spans.lane[timeline.device_ops.span]].all():
        yield "device work lies on a thread"
    if is_stream[timeline.runs.lane].any():
        yield "runs lie on a stream"


def _objects(timeline: Timeline) -> Iterator[str]:
    sources, spans = len(timeline.sources), len(timeline.spans)
    counted = np.bincount(timeline.spans.source, minlength=sources).tolist()
    if counted != [source.spans for source in timeline.sources]:
        yield "sources hold other spans than they say"
    if len(set(timeline.names)) != len(timeline.names):
        yield "names are there twice"
    for index, session in enumerate(timeline.sessions):
        if session.index != index:
            yield "sessions are numbered wrongly"
        if session.replaces is not None and not 0 <= session.replaces < index:
            yield "a session replaces one that was not there before it"
        if session.profile is not None and not 0 <= session.profile < sources:
            yield "a session's profile is not there"
    if not all(0 <= clock.source < sources for clock in timeline.clocks):
        yield "a clock's source is not there"
    for problem in timeline.problems:
        if problem.source is not None and not 0 <= problem.source < sources:
            yield "a problem's source is not there"
        if not all(0 <= span < spans for span in problem.evidence):
            yield "a problem's evidence is not there"


def _model(model: ModelGraph) -> Iterator[str]:
    nodes, values, names = model.nodes, model.values, len(model.names)
    for rows in (nodes, values, model.initializers):
        if len({len(column) for column in _columns(rows).values()}) > 1:
            yield "columns of a model differ in length"
            return
    columns = (
        (nodes.graph, 0, len(model.graphs)),
        *((column, 0, names) for column in (nodes.name, nodes.op_type, nodes.domain, values.name)),
        *((column, NONE, names) for column in (values.dtype, values.shape)),
        (values.producer, NONE, len(nodes)),
        (model.initializers.value, 0, len(values)),
    )
    if not all(_within(column, least, count) for column, least, count in columns):
        yield "a model's columns count what is not there"
    if not all(_is_ragged(lists, len(values)) for lists in (nodes.inputs, nodes.outputs)):
        yield "a model's nodes read or write what is not there"


def _origins(timeline: Timeline) -> Iterator[str]:
    links, models = timeline.model_links, timeline.models
    if len(links.graph_nodes) != len(links) or len(links) not in (0, len(timeline.nodes)):
        yield "model_links are not of the nodes"
        return
    for number, model in ((NONE, None), *enumerate(models)):
        mine = links.model == number
        nodes, values = (0, 0) if model is None else (len(model.nodes), len(model.values))
        listed = np.repeat(mine, np.diff(links.graph_nodes.starts))
        if not _within(links.output[mine], NONE, values) or not _within(links.graph_nodes.rows[listed], 0, nodes):
            yield "model_links name nodes that their model lacks"


def _numbers_beyond(timeline: Timeline) -> Iterator[str]:
    objects = (timeline.lanes, timeline.sources, timeline.sessions, timeline.clocks, timeline.problems)
    for each in (*(one for some in objects for one in some), timeline.capture, *timeline.capture.children):
        values = (getattr(each, field.name) for field in fields(each))
        if any(isinstance(value, int) and abs(value) >= 1 << 63 for value in values):
            yield f"a {type(each).__name__.lower()} holds a number of more than 64 bits"


def _is_ragged(lists: Ragged, targets: int) -> bool:
    starts = lists.starts
    in_order = bool(len(starts) and starts[0] == 0 and starts[-1] == len(lists.rows) and (np.diff(starts) >= 0).all())
    return in_order and _within(lists.rows, 0, targets)


def _within(column: _Column, least: int, beyond: int) -> bool:
    return bool(((column >= least) & (column < beyond)).all())


def _columns(rows: object) -> Mapping[str, Any]:
    return {field.name: getattr(rows, field.name) for field in fields(rows)}  # type: ignore[arg-type]


@cache
def _stands_for(owner: type) -> Mapping[str, object]:
    """What `Annotated` says of the columns of a table: an enum, or `InNames`."""
    hints = get_type_hints(owner, include_extras=True)
    return {name: get_args(hint)[1] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
