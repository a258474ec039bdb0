"""The Timeline: every source of one process on one clock, with what links them and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from ortprobe.timeline.graph import ModelGraph, ModelLinks
from ortprobe.timeline.intervals import Intervals, union
from ortprobe.timeline.spans import NONE, Spans
from ortprobe.timeline.tables import DeviceOps, HookCalls, Links, Nodes, NodeSpans, Runs, Waits


class LaneKind(StrEnum):
    THREAD = "thread"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A host thread or a device stream."""

    kind: LaneKind
    label: str
    process: int = NONE
    thread: int = NONE
    """OS thread id."""
    device: int = NONE
    stream: int = NONE
    """CUPTI's stream id."""
    blocking: bool | None = None
    """Whether the stream orders itself with the legacy default stream; None when unknown."""
    owner: str = ""
    """`onnxruntime`, `torch` or both with a `+`, by who launched work on the stream; empty for threads."""


class SourceKind(StrEnum):
    ORT_PROFILE = "ort-profile"
    TORCH_TRACE = "torch-trace"
    HOOK_LOG = "hook-log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that spans came from."""

    kind: SourceKind
    path: str
    spans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A line of the traced program."""

    file: str
    line: int


class Creation(StrEnum):
    """Why a C session came to life."""

    CONSTRUCTOR = "constructor"
    SET_PROVIDERS = "set_providers"
    FALLBACK = "fallback"
    """ORT re-created it by itself inside `run`, after an execution provider failed."""
    UNKNOWN = "unknown"
    """There is an ORT profile of it, and nobody saw it being made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One C session of ONNX Runtime: `set_providers` ends one and makes another."""

    index: int
    """Position in `Timeline.sessions`."""
    creation: Creation
    start_ns: int
    """Start of the call that created it; of its loading when only the profile is there."""
    end_ns: int
    """When it was ready to run."""
    replaces: int | None = None
    """Index of the session it replaced: then this is a re-initialisation."""
    replaces_is_inferred: bool = False
    """No hook saw the replacement: the same nodes in the same process, one after the other."""
    released_ns: int | None = None
    """When the program let go of it; None while it lived, and where nobody saw it."""
    load_ns: int | None = None
    initialize_ns: int | None = None
    model: str = ""
    site: Site | None = None
    requested_providers: tuple[str, ...] = ()
    requested_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Provider options that the call named."""
    providers: tuple[str, ...] = ()
    """The providers it really has; empty when nobody asked it."""
    provider_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    previous_provider_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    profile: int | None = None
    """Index in `Timeline.sources` of its ORT profile."""
    error: str = ""
    """Why creating it failed; then it has no runs."""


class ClockMethod(StrEnum):
    EPOCH = "epoch"
    """The source states Unix epoch time; the offset is 0 and was checked."""
    NESTING = "nesting"
    """The source has no absolute time: the offset was found by fitting launches into node spans."""
    UNCHECKED = "unchecked"
    """Stated by the source, and nothing in the capture could check it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockBound:
    """How far a source's clock can be off: every offset in [low_ns, high_ns] puts each launch inside its node.

    The bound is of the offset that was applied, so 0 inside it means "consistent"; None means that it has no bound.
    """

    source: int
    method: ClockMethod
    low_ns: int | None = None
    high_ns: int | None = None
    witnesses: int = 0
    """How many launches the bound rests on; where there are none, how many runs inside of hooked calls."""


class ProblemKind(StrEnum):
    """What can be wrong with a capture, as facts."""

    CUT_OFF = "cut-off"
    """A file ends in the middle."""
    EMPTY_SOURCE = "empty-source"
    PROFILE_TRUNCATED = "profile-truncated"
    """ORT dropped events at its cap of 1,000,000."""
    UNREADABLE_EVENTS = "unreadable-events"
    LAUNCHES_WITHOUT_WORK = "launches-without-work"
    WORK_WITHOUT_LAUNCH = "work-without-launch"
    WAITS_UNRESOLVED = "waits-unresolved"
    NO_SYNC_RECORDS = "no-sync-records"
    NO_GPU_TRACE = "no-gpu-trace"
    NO_ORT_PROFILE = "no-ort-profile"
    CLOCK_DOUBT = "clock-doubt"
    CLOCK_STEPPED = "clock-stepped"
    KILLED = "killed"
    """The traced program ended without saying so."""
    NOT_CAPTURED = "not-captured"
    """The capture itself recorded that something is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A hole in the capture, or a doubt about it."""

    kind: ProblemKind
    detail: str
    source: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A child process that was recorded in a bundle of its own."""

    process: int
    bundle: str
    """Its folder, relative to the parent's bundle."""
    sessions: int
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What the sources say about the capture itself; empty where only bare files are there."""

    target: str = ""
    target_kind: str = ""
    argv: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """`onnxruntime`, `torch`, `python`, …, as far as the sources state them."""
    devices: tuple[str, ...] = ()
    process: int = NONE
    created_ns: int | None = None
    ended: bool = True
    """Whether the capture was completed: not when the program was killed, or left by `os._exit`."""
    exit_code: int | None = None
    exception: str = ""
    counted_runs: int = 0
    """Runs that were counted and not recorded one by one; they are not among `Timeline.runs`."""
    children: tuple[Child, ...] = ()
    hook_cost_ns: int | None = None
    hooked: bool = False
    """Whether a hook log is there, so that calls nobody saw were really not made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All that was captured of one process. Built by `ortprobe.ingest`, read by everything after it."""

    spans: Spans
    lanes: tuple[Lane, ...]
    names: tuple[str, ...]
    device_ops: DeviceOps
    waits: Waits
    nodes: Nodes
    node_spans: NodeSpans
    hooks: HookCalls
    runs: Runs
    links: Links
    sessions: tuple[Session, ...]
    sources: tuple[Source, ...]
    clocks: tuple[ClockBound, ...]
    problems: tuple[Problem, ...]
    capture: Capture
    models: tuple[ModelGraph, ...] = ()
    """Model files of the sessions, where they were given or still lie where they were loaded from."""
    model_links: ModelLinks = field(default_factory=ModelLinks)

    def name_of(self, span: int) -> str:
        """The name of one span."""
        return self.names[int(self.spans.name[span])]

    def lane_of(self, span: int) -> Lane:
        """The lane one span lies on."""
        return self.lanes[int(self.spans.lane[span])]

    @property
    def start_ns(self) -> int:
        """Start of the first span; 0 for an empty timeline."""
        return int(self.spans.start_ns[0]) if len(self.spans) else 0

    @property
    def end_ns(self) -> int:
        """End of the last span; 0 for an empty timeline."""
        return int(self.spans.end_ns.max()) if len(self.spans) else 0


def torch_windows(spans: Spans, sources: Sequence[Source]) -> Intervals:
    """From the first to the last span of each torch trace, overlaps joined. Between two of them nobody watched."""
    of_sources = [
        spans.source == number for number, source in enumerate(sources) if source.kind is SourceKind.TORCH_TRACE
    ]
    bounds = [(spans.start_ns[mine].min(), spans.end_ns[mine].max()) for mine in of_sources if mine.any()]
    start_ns, end_ns = np.array(bounds, np.int64).reshape(-1, 2).T
    return union(start_ns, end_ns)


def parse_site(text: str) -> Site | None:
    """`"app.py:12"` → Site; None when it is not of that form."""
    file, _, line = text.rpartition(":")
    return Site(file=file, line=int(line)) if file and line.isdigit() else None
