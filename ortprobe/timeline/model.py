"""The Timeline: every source of one process, or several, on one clock, with what links them and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from ortprobe.timeline.graph import ModelGraph, ModelLinks
from ortprobe.timeline.intervals import Intervals, union
from ortprobe.timeline.problem import Problem
from ortprobe.timeline.spans import NONE, Int32s, Spans
from ortprobe.timeline.tables import (
    DeviceOps,
    Handovers,
    HookCalls,
    Links,
    Nodes,
    NodeSpans,
    Runs,
    TensorUses,
    Waits,
)

if TYPE_CHECKING:
    from ortprobe.timeline.frames import Frames


class LaneKind(StrEnum):
    THREAD = "thread"
    """A thread of the host."""
    STREAM = "stream"
    """A stream of a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A host thread or a device stream."""

    kind: LaneKind
    """Thread or stream."""
    label: str
    """What reports call it; streams of two devices can have the same."""
    process: int = NONE
    """OS process id; of a stream, that of the process whose trace it is in."""
    thread: int = NONE
    """OS thread id; NONE for streams."""
    device: int = NONE
    """CUDA device number; NONE for threads."""
    stream: int = NONE
    """CUPTI's stream id, see `STREAMS_OF_A_PROCESS`; NONE for threads."""
    blocking: bool | None = None
    """Whether the stream orders itself with the legacy default stream; None when unknown."""
    owner: str = ""
    """`onnxruntime`, `torch` or both with a `+`, by who launched work on the stream; empty for threads."""


class SourceKind(StrEnum):
    ORT_PROFILE = "ort-profile"
    """ONNX Runtime's own profile of one session."""
    TORCH_TRACE = "torch-trace"
    """What torch's profiler (Kineto) exported."""
    NSIGHT = "nsight-systems"
    """An export of Nsight Systems to SQLite."""
    HOOK_LOG = "hook-log"
    """What ortprobe's hooks saw."""


DEVICE_TRACES = (SourceKind.TORCH_TRACE, SourceKind.NSIGHT)
"""What shows the GPU's work and the calls that launched it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that spans came from."""

    kind: SourceKind
    """What wrote it."""
    path: str
    """Where it lies; of a file in a bundle, relative to the bundle."""
    spans: int
    """How many spans came from it."""
    process: int = NONE
    """OS process id; NONE where no source of the process states it."""
    backwards: int = 0
    """How many of them the file gives a negative length; here they have none."""
    began_ns: int | None = None
    """When the file's own times begin, in Unix time, where they count from the beginning of a recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A line of the traced program."""

    file: str
    line: int

    def __str__(self) -> str:
        """As `parse_site` reads it."""
        return f"{self.file}:{self.line}"


class Creation(StrEnum):
    """Why a C session came to life."""

    CONSTRUCTOR = "constructor"
    """The program made it."""
    SET_PROVIDERS = "set_providers"
    """The program asked for other providers, or the same with other options."""
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
    """Why it came to life."""
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
    """How long reading and parsing the model took; None without an ORT profile of it."""
    initialize_ns: int | None = None
    """How long optimising, partitioning and creating kernels took; None without an ORT profile of it."""
    model: str = ""
    """Path of the model, or the size of the bytes it was given as; empty where nobody saw it."""
    site: Site | None = None
    """The program's own line that made it."""
    requested_providers: tuple[str, ...] = ()
    """The providers that the call named."""
    requested_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Provider options that the call named."""
    providers: tuple[str, ...] = ()
    """The providers it really has; empty when nobody asked it."""
    provider_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Their options as ORT states them."""
    previous_provider_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Those of the session it replaced."""
    session_options: Mapping[str, str] = field(default_factory=dict)
    """Its `SessionOptions` as text, under their names in Python: what changes how a model is optimised and executed.
    Empty where nobody saw them."""
    inputs: tuple[str, ...] = ()
    """Names of the model's inputs."""
    outputs: tuple[str, ...] = ()
    """Names of the model's outputs."""
    input_types: tuple[str, ...] = ()
    """Of each input, as `tensor(float)[N,3,224,224]`: free dimensions by name, `?` without one. Empty where nobody saw
    them."""
    output_types: tuple[str, ...] = ()
    """Of each output, likewise."""
    profile: int | None = None
    """Index in `Timeline.sources` of its ORT profile."""
    error: str = ""
    """Why creating it failed; then it has no runs."""
    process: int = NONE
    """OS process id."""


class ClockMethod(StrEnum):
    EPOCH = "epoch"
    """The source states Unix epoch time; the offset is 0 and was checked."""
    NESTING = "nesting"
    """The source has no absolute time: the offset was found by fitting launches into node spans."""
    UNCHECKED = "unchecked"
    """Stated by the source, and nothing in the capture could check it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockBound:
    """How far a source's clock can be off: every offset in [low_ns, high_ns] puts each launch inside its node, or
    inside the hooked call of its run where the source is a torch trace.

    The bound is of the offset that was applied, so 0 inside it means "consistent"; None means that it has no bound.
    """

    source: int
    """Index in `Timeline.sources`."""
    method: ClockMethod
    """How its place was found."""
    low_ns: int | None = None
    """The least that may be added to its times; None when nothing bounds it."""
    high_ns: int | None = None
    """The most that may be added to its times; None when nothing bounds it."""
    witnesses: int = 0
    """How many launches the bound rests on; where there are none, how many runs inside of hooked calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A child process that was recorded in a bundle of its own."""

    process: int
    bundle: str
    """Its folder, relative to the parent's bundle."""
    sessions: int
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceTry:
    """What it gave to run the program once more and hold up the first of two accesses that nothing orders."""

    hazard: str
    """`read-after-write` or `write-after-read`."""
    first_site: str
    """`file:line` of the first access."""
    second_site: str
    tried: int
    changed: int
    """In how many of these tries the results were others than with a wait in between."""
    why: str
    """Why they never were; empty where they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What the sources say about the capture itself; empty where only bare files are there."""

    target: str = ""
    target_kind: str = ""
    argv: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """`onnxruntime`, `torch`, `python`, …, as far as the sources state them."""
    devices: tuple[str, ...] = ()
    gpus: Mapping[int, str] = field(default_factory=dict)
    """UUID of the GPU that each of the process's devices is, as far as noted."""
    cpu: str = ""
    """What the processor calls itself, and how many there are (`cpu_count`); empty and 0 where nobody noted it."""
    cpu_count: int = 0
    usable_cpus: int | None = None
    """Logical processors that the process can have kept busy; where its limits are not known, those of the machine."""
    physical_cores: int | None = None
    """Of the machine."""
    model_hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of model files by `Session.model`, where they did not change while the capture ran."""
    process: int = NONE
    """The process, or the first of several."""
    processes: int = 1
    created_ns: int | None = None
    ended: bool = True
    """Whether the capture was completed: not when the program was killed, or left by `os._exit`."""
    exit_code: int | None = None
    exception: str = ""
    counted_runs: int = 0
    """Runs that were counted and not recorded one by one; they are not among `Timeline.runs`."""
    children: tuple[Child, ...] = ()
    hook_cost_ns: int | None = None
    race_tries: tuple[RaceTry, ...] = ()
    """What `--confirm-races` gave; empty where nobody asked for it, or there was nothing to try."""
    hooked: bool = False
    """Whether a hook log is there, so that calls nobody saw were really not made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All that was captured of one process, or of several of one machine.

    Built by `ortprobe.ingest`, read by everything after it.
    """

    spans: Spans
    lanes: tuple[Lane, ...]
    names: tuple[str, ...]
    device_ops: DeviceOps
    waits: Waits
    nodes: Nodes
    node_spans: NodeSpans
    hooks: HookCalls
    handovers: Handovers
    tensor_uses: TensorUses
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

    def site_at(self, name: int) -> Site | None:
        """The program's line that this entry of `names` holds; None for NONE, and where it holds none."""
        return parse_site(self.names[name]) if name != NONE else None

    @property
    def hook_span_of_each(self) -> Int32s:
        """Any span → the HOOK span of the innermost hooked call around it, or around its launch; NONE when there is
        none. It has the line of the program."""
        return np.append(self.hooks.span, np.int32(NONE))[self.links.hook]

    def to_pandas(self) -> Frames:
        """Every table as a DataFrame, with names for numbers and `<NA>` for what is not there."""
        from ortprobe.timeline.frames import to_frames

        return to_frames(self)

    @property
    def start_ns(self) -> int:
        """Start of the first span; 0 for an empty timeline."""
        return int(self.spans.start_ns[0]) if len(self.spans) else 0

    @property
    def end_ns(self) -> int:
        """End of the last span; 0 for an empty timeline."""
        return int(self.spans.end_ns.max()) if len(self.spans) else 0


def traced_windows(
    spans: Spans, sources: Sequence[Source], process: int = NONE, kinds: Sequence[SourceKind] = DEVICE_TRACES
) -> Intervals:  # fmt: skip
    """From the first to the last span of each trace of the GPU, overlaps joined. Between two of them nobody watched.

    Of one process alone where one is named, and of files of these kinds.
    """
    of_sources = [
        spans.source == number
        for number, source in enumerate(sources)
        if source.kind in kinds and (process == NONE or source.process in (process, NONE))
    ]
    bounds = [(spans.start_ns[mine].min(), spans.end_ns[mine].max()) for mine in of_sources if mine.any()]
    start_ns, end_ns = np.array(bounds, np.int64).reshape(-1, 2).T
    return union(start_ns, end_ns)


def parse_site(text: str) -> Site | None:
    """`"app.py:12"` → Site; None when it is not of that form."""
    file, _, line = text.rpartition(":")
    return Site(file=file, line=int(line)) if file and line.isdigit() else None
