"""Collecting spans and their tables from several sources, then sorting them into the Timeline's columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ortprobe.names import encodable
from ortprobe.timeline import (
    NONE,
    STREAMS_OF_A_PROCESS,
    DeviceOps,
    Handovers,
    HookCalls,
    Int32s,
    Lane,
    Nodes,
    NodeSpans,
    Source,
    SourceKind,
    Spans,
    TensorUses,
    Waits,
)

_SPAN_DTYPES: Mapping[str, type] = {
    "start_ns": np.int64,
    "end_ns": np.int64,
    "kind": np.uint8,
    "lane": np.int32,
    "name": np.int32,
    "correlation": np.int64,
    "external": np.int64,
    "source": np.int32,
    "row": np.int32,
}
_TABLE_DTYPES: dict[type, dict[str, type]] = {
    DeviceOps: {
        "span": np.int32, "device": np.int32, "stream": np.int64, "size_bytes": np.int64, "blocks": np.int64,
        "graph": np.int64,
    },
    Waits: {
        "span": np.int32, "kind": np.uint8, "device": np.int32, "stream": np.int64, "waited_stream": np.int64,
        "record_correlation": np.int64, "event": np.int64,
    },
    NodeSpans: {
        "span": np.int32, "node": np.int32, "input_shapes": np.int32, "output_bytes": np.int64,
        "arena_growth_bytes": np.int64,
    },
    HookCalls: {
        "span": np.int32, "what": np.int32, "session": np.int32, "binding": np.int32, "stream": np.int64,
        "waited_stream": np.int64, "event": np.int64, "buffer": np.int32, "device": np.int32,
        "contiguous": np.int32, "dtype": np.int32, "tensor_dtype": np.int32, "tensor_bytes": np.int64,
        "origin": np.int32, "option": np.int32,
        "read_address": np.int64, "read_bytes": np.int64, "write_address": np.int64,
        "write_bytes": np.int64, "site": np.int32, "attached": np.uint8, "failed": np.bool_,
        "run_options": np.int32,
    },
    Handovers: {"at_ns": np.int64, "lane": np.int32, "token": np.int64, "gives": np.bool_},
    TensorUses: {
        "start_ns": np.int64, "end_ns": np.int64, "op": np.int32, "address": np.int64, "size_bytes": np.int64,
        "extent_bytes": np.int64, "writes": np.bool_,
    },
}  # fmt: skip
_ORDERED_BY = {Handovers: "at_ns", TensorUses: "start_ns"}
"""Tables without spans, by what their rows are sorted."""

_Column = NDArray[Any]
Columns = dict[str, list[_Column]]
_Table = TypeVar("_Table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """All columns of all sources, sorted and final; what is still missing is what links them."""

    spans: Spans
    names: tuple[str, ...]
    lanes: tuple[Lane, ...]
    device_ops: DeviceOps
    waits: Waits
    nodes: Nodes
    node_spans: NodeSpans
    hooks: HookCalls
    handovers: Handovers
    tensor_uses: TensorUses
    sources: tuple[Source, ...]


class TimelineBuilder:
    """Takes columns in the order in which sources have them.

    `add_spans` answers with the provisional number of its first span; tables refer to spans by those numbers, and
    `collect` sorts and renumbers everything once.
    """

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._lanes: list[Lane] = []
        self._lane_ids: dict[tuple[object, ...], int] = {}
        self._spans: Columns = {name: [] for name in _SPAN_DTYPES}
        self._tables: dict[type, Columns] = {
            kind: {name: [] for name in dtypes} for kind, dtypes in _TABLE_DTYPES.items()
        }
        self._node_ids: dict[tuple[int, ...], int] = {}
        self._sources: list[Source] = []
        self._span_count = 0
        self._process = NONE
        self._processes = 0
        self._first: dict[str, int] = {}

    def begin_process(self, process: int, first_session: int) -> None:
        """What is added from here on is of this process, whose sessions are numbered from `first_session`.

        Each process counts its sessions, bindings, events and streams from the start; in the Timeline their numbers
        differ.
        """
        first_stream = self._processes * STREAMS_OF_A_PROCESS
        self._first = {
            "session": first_session,
            "binding": _first_free(self._tables[HookCalls]["binding"]),
            "event": _first_free(self._tables[HookCalls]["event"]),
            "stream": first_stream,
            "waited_stream": first_stream,
            "token": first_stream,
        }
        self._process = process
        self._processes += 1

    def name(self, text: str) -> int:
        """The number of a name."""
        return self._names.setdefault(text, len(self._names))

    def names(self, texts: Iterable[str]) -> Int32s:
        """The numbers of many names."""
        known = self._names
        return np.fromiter((known.setdefault(text, len(known)) for text in texts), np.int32)

    def lane(self, lane: Lane) -> int:
        """The number of a lane; lanes with the same thread, or the same device and stream, are one."""
        if lane.stream != NONE and self._first.get("stream"):
            lane = replace(lane, stream=lane.stream + self._first["stream"])
        key = (lane.kind, lane.process, lane.thread, lane.device, lane.stream)
        number = self._lane_ids.setdefault(key, len(self._lanes))
        if number == len(self._lanes):
            self._lanes.append(lane)
        elif len(lane.label) > len(self._lanes[number].label):
            self._lanes[number] = lane
        return number

    def source(
        self, kind: SourceKind, path: str, spans: int, backwards: int = 0, began_ns: int | None = None
    ) -> int:  # fmt: skip
        """Register a file; answers with its number."""
        source = Source(
            kind=kind, path=path, spans=spans, process=self._process, backwards=backwards, began_ns=began_ns
        )
        self._sources.append(source)
        return len(self._sources) - 1

    def add_spans(self, **columns: ArrayLike) -> int:
        """Add spans by the columns of `Spans`; scalars hold for all, `correlation` and `external` may be left out."""
        count = len(np.asarray(columns["start_ns"]))
        columns.setdefault("correlation", NONE)
        columns.setdefault("external", NONE)
        _append(self._spans, _SPAN_DTYPES, columns, count)
        first, self._span_count = self._span_count, self._span_count + count
        return first

    def add_rows(
        self, table: type[DeviceOps | Waits | NodeSpans | HookCalls | Handovers | TensorUses], **columns: ArrayLike
    ) -> None:
        """Add rows to one of the tables by its columns; `span` holds provisional span numbers."""
        for name, first in self._first.items():
            if table is Waits and name == "event":
                continue  # CUPTI's number, not ours
            if first and name in _TABLE_DTYPES[table]:
                numbers = np.asarray(columns[name], np.int64)
                columns[name] = np.where(numbers < 0, numbers, numbers + first)
        dtypes = _TABLE_DTYPES[table]
        _append(self._tables[table], dtypes, columns, len(np.asarray(columns[next(iter(dtypes))])))

    def node(self, session: int, name: int, op_type: int, provider: int, node_index: int) -> int:
        """The row of a node in `Nodes`: the same for each execution of the node in that session."""
        session += self._first.get("session", 0)
        return self._node_ids.setdefault((session, name, op_type, provider, node_index), len(self._node_ids))

    def collect(self) -> Collected:
        """Sort by start, longest first, and renumber."""
        columns = _joined(self._spans, _SPAN_DTYPES)
        order = np.lexsort((-columns["end_ns"], columns["start_ns"]))
        position = np.empty(len(order), np.int32)
        position[order] = np.arange(len(order), dtype=np.int32)
        node_columns = np.array(list(self._node_ids), np.int32).reshape(-1, 5).T
        return Collected(
            spans=Spans(**{name: column[order] for name, column in columns.items()}),
            names=tuple(encodable(name) for name in self._names),
            lanes=tuple(self._lanes),
            device_ops=self._table(DeviceOps, position),
            waits=self._table(Waits, position),
            node_spans=self._table(NodeSpans, position),
            hooks=self._table(HookCalls, position),
            handovers=self._table(Handovers, position),
            tensor_uses=self._table(TensorUses, position),
            nodes=Nodes(**{field.name: column for field, column in zip(fields(Nodes), node_columns, strict=True)}),
            sources=tuple(self._sources),
        )

    def _table(self, kind: type[_Table], position: Int32s) -> _Table:
        columns = _joined(self._tables[kind], _TABLE_DTYPES[kind])
        if "span" in columns:
            columns["span"] = position[columns["span"]]
        order = np.argsort(columns[_ORDERED_BY.get(kind, "span")], kind="stable")
        return kind(**{name: column[order] for name, column in columns.items()})


def _first_free(parts: list[_Column]) -> int:
    """The number behind the greatest one in the parts of a column."""
    return 1 + max((int(part.max(initial=NONE)) for part in parts), default=NONE)


def _append(store: Columns, dtypes: Mapping[str, type], columns: dict[str, ArrayLike], count: int) -> None:
    for name, dtype in dtypes.items():
        store[name].append(np.broadcast_to(np.asarray(columns[name], dtype), (count,)))


def _joined(store: Columns, dtypes: Mapping[str, type]) -> dict[str, _Column]:
    return {name: np.concatenate(store[name]) if store[name] else np.empty(0, dtype) for name, dtype in dtypes.items()}
