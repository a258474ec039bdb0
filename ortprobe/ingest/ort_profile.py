"""ONNX Runtime's profile: a bare array of complete events, times in µs since profiling started.

Schema as of ORT 1.20 to 1.32: categories `Session` (`model_loading_*`, `session_initialization`, `model_run`,
`SequentialExecutor::Execute`, `profile_truncated`), `Node` (`<name>_kernel_time`, until 1.20 also `_fence_*`), and
`Kernel`/`Api` in builds with a GPU profiler of their own. All argument values are strings, but for embedded JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from ortprobe.errors import UnreadableInput
from ortprobe.ingest.builder import TimelineBuilder
from ortprobe.ingest.files import LIMIT_NS, read_trace
from ortprobe.timeline import Int64s, Kind, Lane, LaneKind, NodeSpans, Problem, ProblemKind, SourceKind, UInt8s

_NODE_SUFFIX = "_kernel_time"
_TRUNCATED = "profile_truncated"
_SESSION_KINDS = {
    "session_initialization": Kind.ORT_INITIALIZE,
    "model_run": Kind.ORT_RUN,
    "SequentialExecutor::Execute": Kind.ORT_EXECUTE,
}

_INT32_MAX, _INT64_MAX = (1 << 31) - 1, (1 << 63) - 1
_Microseconds = Annotated[int, msgspec.Meta(ge=-LIMIT_NS // 4000, le=LIMIT_NS // 4000)]


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
    pid: int = -1
    tid: int = -1
    args: _Args = msgspec.field(default_factory=_Args)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrtProfile:
    """One decoded profile. Times are relative to the start of profiling."""

    path: str
    events: list[_Event]
    start_ns: Int64s
    end_ns: Int64s
    kinds: UInt8s
    """`Kind` of each event."""
    dropped_events: int
    backwards: int
    """How many events the file gives a negative length; here they have none."""

    @property
    def threads(self) -> set[tuple[int, int]]:
        """(process, thread) of every node and run."""
        return {(event.pid, event.tid) for event in self.events}

    @property
    def node_names(self) -> set[str]:
        """Names of the nodes that were executed."""
        return {self.events[row].name for row in np.flatnonzero(self.kinds == Kind.ORT_NODE).tolist()}


def read_ort_profile(path: Path) -> OrtProfile:
    """Decode one profile.

    Raises:
        UnreadableInput: empty, cut off, or something else than an ORT profile.
    """
    raw = read_trace(path)
    if not raw.strip():
        raise UnreadableInput(
            f"{path}: is empty; ONNX Runtime writes a profile when the session ends or end_profiling() is called"
        )
    try:
        events = msgspec.json.decode(raw, type=list[_Event])
    except msgspec.ValidationError as error:
        raise UnreadableInput(f"{path}: is no ONNX Runtime profile ({error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableInput(f"{path}: {_broken(raw)} ({error}); record it again") from error
    if events and not any(event.cat in ("Session", "Node") for event in events):
        raise UnreadableInput(f"{path}: is no ONNX Runtime profile (no Session or Node event in it)")
    dropped = sum(_number(event.args.dropped_event_count) for event in events if event.name == _TRUNCATED)
    return _columns(path, [event for event in events if event.name != _TRUNCATED], dropped)


def _columns(path: Path, events: list[_Event], dropped_events: int) -> OrtProfile:
    start_us = np.fromiter((event.ts for event in events), np.int64)
    stated_us = np.fromiter((event.dur for event in events), np.int64)
    duration_us = np.maximum(stated_us, 0)
    return OrtProfile(
        path=str(path),
        events=events,
        start_ns=start_us * 1000,
        end_ns=(start_us + duration_us) * 1000,
        kinds=np.fromiter((_kind_of(event) for event in events), np.uint8),
        dropped_events=dropped_events,
        backwards=int((stated_us < 0).sum()),
    )


def add_ort_profile(builder: TimelineBuilder, profile: OrtProfile, *, session: int, offset_ns: int) -> int:
    """Add a profile's spans, `offset_ns` after their own times, as executions of nodes of `session`.

    Returns the number of the source.
    """
    events = profile.events
    source = builder.source(SourceKind.ORT_PROFILE, profile.path, len(events), profile.backwards)
    lanes = {
        (process, thread): builder.lane(
            Lane(kind=LaneKind.THREAD, label=f"thread {thread}", process=process, thread=thread)
        )
        for process, thread in profile.threads
    }
    first = builder.add_spans(
        start_ns=profile.start_ns + offset_ns,
        end_ns=profile.end_ns + offset_ns,
        kind=profile.kinds,
        lane=np.fromiter((lanes[event.pid, event.tid] for event in events), np.int32),
        name=builder.names(_label(event) for event in events),
        source=source,
        row=np.arange(len(events)),
    )
    nodes = np.flatnonzero(profile.kinds == Kind.ORT_NODE).tolist()
    builder.add_rows(
        NodeSpans,
        span=np.array(nodes, np.int32) + first,
        node=[_node(builder, session, events[row]) for row in nodes],
        input_shapes=builder.names(bytes(events[row].args.input_type_shape).decode(errors="replace") for row in nodes),
        output_bytes=[_number(events[row].args.output_size) for row in nodes],
        arena_growth_bytes=[_number(events[row].args.mem_arena_held_delta) for row in nodes],
    )
    return source


def profile_problems(profile: OrtProfile, source: int) -> list[Problem]:
    """What the profile itself says is missing from it."""
    if not profile.dropped_events:
        return []
    detail = f"ONNX Runtime dropped {profile.dropped_events:,} events at its cap of 1,000,000"
    return [Problem(kind=ProblemKind.PROFILE_TRUNCATED, detail=detail, source=source, count=profile.dropped_events)]


def _kind_of(event: _Event) -> Kind:
    if event.cat == "Node":
        return Kind.ORT_NODE if event.name.endswith(_NODE_SUFFIX) else Kind.OTHER
    if event.name.startswith("model_loading"):
        return Kind.ORT_LOAD
    return _SESSION_KINDS.get(event.name, Kind.OTHER) if event.cat == "Session" else Kind.OTHER


def _label(event: _Event) -> str:
    return event.name.removesuffix(_NODE_SUFFIX) if event.cat == "Node" else event.name


def _node(builder: TimelineBuilder, session: int, event: _Event) -> int:
    args = event.args
    return builder.node(
        session,
        builder.name(_label(event)),
        builder.name(args.op_name),
        builder.name(args.provider),
        min(_number(args.node_index), _INT32_MAX),
    )


def _number(text: str) -> int:
    """ORT writes numbers as strings; what is no number, or none that ORT can write, is 0."""
    try:
        value = int(text)
    except ValueError:
        return 0
    return value if abs(value) <= _INT64_MAX else 0


def _broken(raw: bytes) -> str:
    return "is not JSON" if raw.rstrip().endswith(b"]") else "is cut off"
