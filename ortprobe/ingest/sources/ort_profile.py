"""ONNX Runtime's profile: a bare array of complete events, times in µs since profiling started.

Schema as of ORT 1.17 to 1.32: categories `Session` (`model_loading_*`, `session_initialization`, `model_run`,
`SequentialExecutor::Execute`, `profile_truncated`), `Node` (`<name>_kernel_time`, until 1.20 also `_fence_*`), and
`Kernel`/`Api` in builds with a GPU profiler of their own. All argument values are strings, but for embedded JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.builder import TimelineBuilder
from ortprobe.ingest.sources.columns import Columns
from ortprobe.ingest.sources.files import LIMIT_NS, TraceFile
from ortprobe.ingest.sources.json_events import EventStream
from ortprobe.timeline import (
    Int32s,
    Int64s,
    Kind,
    Lane,
    LaneKind,
    NodeSpans,
    Problem,
    ProblemKind,
    SourceKind,
    UInt8s,
)

_NODE_SUFFIX = "_kernel_time"
_TRUNCATED = "profile_truncated"
"""Written by ORT 1.31 and later."""
_SESSION_KINDS = {
    "session_initialization": Kind.ORT_INITIALIZE,
    "model_run": Kind.ORT_RUN,
    "SequentialExecutor::Execute": Kind.ORT_EXECUTE,
}

_INT32_MAX, _INT64_MAX = (1 << 31) - 1, (1 << 63) - 1
_Microseconds = Annotated[int, msgspec.Meta(ge=-LIMIT_NS // 4000, le=LIMIT_NS // 4000)]
_Id = Annotated[int, msgspec.Meta(ge=-_INT64_MAX, le=_INT64_MAX)]


class _Args(msgspec.Struct, gc=False):
    op_name: str = ""
    provider: str = ""
    node_index: str = "-1"
    output_size: str = "0"
    mem_arena_held_delta: str = "0"
    input_type_shape: msgspec.Raw = msgspec.Raw(b"")
    dropped_event_count: str = ""


class _Event(msgspec.Struct, gc=False):
    name: str
    ts: _Microseconds
    dur: _Microseconds
    cat: str = ""
    pid: _Id = -1
    tid: _Id = -1
    args: _Args | None = None


_DECODER = msgspec.json.Decoder(list[_Event])
_NO_ARGS = _Args()
_NodeKey = tuple[int, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrtProfile:
    """One decoded profile as columns. Times are relative to the start of profiling."""

    path: str
    rows: Int32s
    """Position of each event in the file."""
    start_ns: Int64s
    end_ns: Int64s
    kinds: UInt8s
    """`Kind` of each event."""
    name: Int32s
    """Index in `names`; that of a node's execution is the node's."""
    names: tuple[str, ...]
    place: Int32s
    """Index in `places`."""
    places: tuple[tuple[int, int], ...]
    """(process, thread) of every node and run."""
    node_span: Int32s
    """Events that are executions of nodes; the four columns below have a value for each."""
    node: Int32s
    """Index in `nodes`."""
    input_shapes: Int32s
    """Index in `names`."""
    output_bytes: Int64s
    arena_growth_bytes: Int64s
    nodes: tuple[_NodeKey, ...]
    """Name (an index in `names`), op type, provider, node index as written."""
    dropped_events: int
    is_cut_off: bool
    """Whether the file ends in the middle: from its last event on, any may be missing."""
    backwards: int
    """How many events the file gives a negative length; here they have none."""
    problems: tuple[Problem, ...]
    """What is missing from it; stretches of time are relative to the start of profiling too."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def node_names(self) -> set[str]:
        """Names of the nodes that were executed."""
        return {self.names[name] for name, *_ in self.nodes}

    @property
    def thread(self) -> Int64s:
        """OS thread id of each event."""
        return np.array([thread for _, thread in self.places], np.int64)[self.place]


class _ProfileColumns:
    """Columns of events, gathered chunk by chunk."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.places: dict[tuple[int, int], int] = {}
        self.nodes: dict[_NodeKey, int] = {}
        self.shapes: dict[bytes, int] = {}
        self.of_all = Columns(
            row=np.int32, kind=np.uint8, start_us=np.int64, duration_us=np.int64, name=np.int32, place=np.int32
        )
        self.of_nodes = Columns(
            index=np.int32, node=np.int32, input_shapes=np.int32, output_bytes=np.int64, arena_growth_bytes=np.int64
        )
        self.rows = 0
        self.dropped = 0
        self.backwards = 0
        self.is_profile = False

    def add(self, events: Sequence[_Event | None]) -> None:
        first, self.rows = self.rows, self.rows + len(events)
        rows = [row for row, event in enumerate(events, first) if event is not None and event.name != _TRUNCATED]
        for event in events:
            if event is not None and event.name == _TRUNCATED:
                self.dropped += _number((event.args or _NO_ARGS).dropped_event_count)
        kept = [event for event in events if event is not None and event.name != _TRUNCATED]
        self.is_profile = self.is_profile or any(event.cat in ("Session", "Node") for event in kept)
        self.backwards += sum(event.dur < 0 for event in kept)
        names, places = self.names, self.places
        kinds = np.array([_kind_of(event) for event in kept], np.uint8)
        base = len(self.of_all)
        self.of_all.add(
            row=rows,
            kind=kinds,
            start_us=[event.ts for event in kept],
            duration_us=[max(event.dur, 0) for event in kept],
            name=[names.setdefault(_label(event), len(names)) for event in kept],
            place=[places.setdefault((event.pid, event.tid), len(places)) for event in kept],
        )
        self._add_nodes([kept[at] for at in np.flatnonzero(kinds == Kind.ORT_NODE).tolist()], base, kinds)

    def _add_nodes(self, events: list[_Event], base: int, kinds: UInt8s) -> None:
        nodes = self.nodes
        args = [event.args or _NO_ARGS for event in events]
        keys = [
            (self.names[_label(event)], arg.op_name, arg.provider, arg.node_index)
            for event, arg in zip(events, args, strict=True)
        ]
        self.of_nodes.add(
            index=np.flatnonzero(kinds == Kind.ORT_NODE) + base,
            node=[nodes.setdefault(key, len(nodes)) for key in keys],
            input_shapes=[self._shapes(bytes(arg.input_type_shape)) for arg in args],
            output_bytes=[_number(arg.output_size) for arg in args],
            arena_growth_bytes=[_number(arg.mem_arena_held_delta) for arg in args],
        )

    def _shapes(self, written: bytes) -> int:
        if written not in self.shapes:
            text = written.decode(errors="replace")
            self.shapes[written] = self.names.setdefault(text, len(self.names))
        return self.shapes[written]


def read_ort_profile(file: TraceFile) -> OrtProfile:
    """Decode one profile, as far as it goes: what is cut off or damaged becomes problems.

    Raises:
        UnreadableInput: empty, or something else than an ORT profile.
    """
    columns = _ProfileColumns()
    stream = EventStream(file, _DECODER.decode)
    for events in stream:
        columns.add(events)
    if stream.is_empty:
        raise UnreadableInput(
            f"{file.name}: is empty; ONNX Runtime writes a profile when the session ends or end_profiling() is called"
        )
    if not columns.rows and stream.broken:
        raise UnreadableInput(f"{file.name}: is cut off before its first event ({stream.broken}); record it again")
    if not columns.is_profile and (columns.rows or stream.head):
        cut = f"; {stream.broken}" if stream.broken else ""
        raise UnreadableInput(f"{file.name}: is no ONNX Runtime profile (no Session or Node event in it{cut})")
    profile = _profile(file.name, columns)
    return replace(profile, is_cut_off=bool(stream.broken), problems=tuple(_problems(profile, stream, columns)))


def _profile(path: str, columns: _ProfileColumns) -> OrtProfile:
    of_all, of_nodes = columns.of_all, columns.of_nodes
    start_ns = of_all.joined("start_us") * 1000
    return OrtProfile(
        path=path,
        rows=of_all.joined("row"),
        start_ns=start_ns,
        end_ns=start_ns + of_all.joined("duration_us") * 1000,
        kinds=of_all.joined("kind"),
        name=of_all.joined("name"),
        names=tuple(columns.names),
        place=of_all.joined("place"),
        places=tuple(columns.places),
        node_span=of_nodes.joined("index"),
        node=of_nodes.joined("node"),
        input_shapes=of_nodes.joined("input_shapes"),
        output_bytes=of_nodes.joined("output_bytes"),
        arena_growth_bytes=of_nodes.joined("arena_growth_bytes"),
        nodes=tuple(columns.nodes),
        dropped_events=columns.dropped,
        is_cut_off=False,
        backwards=columns.backwards,
        problems=(),
    )


def _problems(profile: OrtProfile, stream: EventStream[_Event], columns: _ProfileColumns) -> list[Problem]:
    path, found = profile.path, []
    last_ns = int(profile.end_ns.max(initial=0))
    if stream.broken:
        detail = f"{path}: {stream.broken}, after {columns.rows:,} events"
        found.append(Problem(kind=ProblemKind.CUT_OFF, detail=detail, start_ns=last_ns))
    if stream.unreadable:
        detail = f"{path}: {stream.unreadable:,} events can't be read"
        found.append(Problem(kind=ProblemKind.UNREADABLE_EVENTS, detail=detail, count=stream.unreadable))
    if stream.tail.strip():
        detail = (
            f"{path}: goes on after its end: two sessions wrote to this file (ONNX Runtime names profiles by the "
            "millisecond; give each session its own profile_file_prefix)"
        )
        found.append(Problem(kind=ProblemKind.PROFILE_SHARED, detail=detail))
    if columns.dropped:
        detail = f"{path}: ONNX Runtime dropped {columns.dropped:,} events at its cap of 1,000,000"
        found.append(Problem(kind=ProblemKind.PROFILE_TRUNCATED, detail=detail, count=columns.dropped))
    return found


def add_ort_profile(builder: TimelineBuilder, profile: OrtProfile, *, session: int, offset_ns: int) -> int:
    """Add a profile's spans, `offset_ns` after their own times, as executions of nodes of `session`.

    Returns the number of the source.
    """
    source = builder.source(SourceKind.ORT_PROFILE, profile.path, len(profile), profile.backwards)
    lanes = [
        builder.lane(Lane(kind=LaneKind.THREAD, label=f"thread {thread}", process=process, thread=thread))
        for process, thread in profile.places
    ]
    names = builder.names(profile.names)
    first = builder.add_spans(
        start_ns=profile.start_ns + offset_ns,
        end_ns=profile.end_ns + offset_ns,
        kind=profile.kinds,
        lane=np.array(lanes, np.int32)[profile.place],
        name=names[profile.name],
        source=source,
        row=profile.rows,
    )
    nodes = [
        builder.node(
            session, int(names[name]), builder.name(op_type), builder.name(provider), min(_number(index), _INT32_MAX)
        )
        for name, op_type, provider, index in profile.nodes
    ]
    builder.add_rows(
        NodeSpans,
        span=profile.node_span + first,
        node=np.array(nodes, np.int32)[profile.node],
        input_shapes=names[profile.input_shapes],
        output_bytes=profile.output_bytes,
        arena_growth_bytes=profile.arena_growth_bytes,
    )
    return source


def _kind_of(event: _Event) -> Kind:
    if event.cat == "Node":
        return Kind.ORT_NODE if event.name.endswith(_NODE_SUFFIX) else Kind.OTHER
    if event.name.startswith("model_loading"):
        return Kind.ORT_LOAD
    return _SESSION_KINDS.get(event.name, Kind.OTHER) if event.cat == "Session" else Kind.OTHER


def _label(event: _Event) -> str:
    return event.name.removesuffix(_NODE_SUFFIX) if event.cat == "Node" else event.name


def _number(text: str) -> int:
    """ORT writes numbers as strings; what is no number, or none that ORT can write, is 0."""
    try:
        value = int(text) if len(text) < 20 else 0
    except ValueError:
        return 0
    return value if abs(value) <= _INT64_MAX else 0
