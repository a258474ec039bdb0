"""What a program does, without a time in it but the lengths of its device work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

OWN_STREAM = -1
"""In a model: the compute stream of the session that runs it."""


class WorkKind(Enum):
    """Device work, by the category that Kineto writes."""

    KERNEL = "kernel"
    MEMCPY = "gpu_memcpy"
    MEMSET = "gpu_memset"


class StreamKind(Enum):
    LEGACY = "legacy"
    """Waits for all blocking streams of its device, and they for it."""
    BLOCKING = "blocking"
    NON_BLOCKING = "non-blocking"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    device: int
    trace_id: int
    """CUPTI's id, which counts within a device."""
    handle: int
    kind: StreamKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A kernel, copy or fill, by the call that Kineto writes for it."""

    name: str
    duration_ns: int
    kind: WorkKind = WorkKind.KERNEL
    stream: int = OWN_STREAM
    """Index in `Program.streams`."""
    blocks: int = 1
    size_bytes: int = 0
    has_call: bool = True
    """False: launched through a driver function that Kineto does not write."""
    overhead: str = ""
    """What CUPTI records beside the launching call while it lasts: `Lazy Function Loading`, `Buffer Flush` …"""
    overhead_ns: int = 0
    """How much longer the call lasts by that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """A CUDA call that concerns no stream: `cudaMalloc`, `cudaFuncGetAttributes` …"""

    name: str
    duration_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphLaunch:
    """One `cudaGraphLaunch`: its kernels run one after another and share one correlation id."""

    kernels: tuple[Launch, ...]
    graph: int
    stream: int = OWN_STREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    event: int
    stream: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWait:
    """A stream told to wait for an event's last record; one that was never recorded holds nothing back."""

    stream: int
    event: int
    has_call: bool = True


class HostWait(Enum):
    """What the host waits for, by the name that Kineto gives the record."""

    STREAM = "Stream Sync"
    EVENT = "Event Sync"
    DEVICE = "Context Sync"
    QUERY = "Event Query"
    """`cudaEventQuery`, for which CUPTI 12.9 and later write an "Event Sync" record though nobody waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    kind: HostWait
    of: int
    """Index of the stream, number of the event, or number of the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Host time without a call."""

    duration_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchOp:
    name: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One inference of the C session that an owner has at that time."""

    owner: int
    branch: int = 0
    """Which subgraph each If node takes."""
    is_replay: bool = False
    """As a captured CUDA graph: one launch, and no node is executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetProviders:
    """Replaces an owner's C session by another one."""

    owner: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndProfiling:
    owner: int


CudaStep = Launch | GraphLaunch | EventRecord | StreamWait | Sync | HostCall
Step = CudaStep | Pause | TorchOp | Run | SetProviders | EndProfiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An ONNX node: what it launches, then the subgraph it executes."""

    name: str
    op_type: str = "Conv"
    provider: str = "CUDAExecutionProvider"
    launches: tuple[Launch, ...] = ()
    branches: tuple[tuple[Node, ...], ...] = ()
    """If: two subgraphs, of which a run takes one. Loop and Scan: one."""
    iterations: int = 1
    host_ns: int = 0
    """How long it computes on the host, before its launches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    nodes: tuple[Node, ...]
    feeds: tuple[Launch, ...] = ()
    """Copies to the device before the first node."""
    between: tuple[Launch, ...] = ()
    """Launched after the first node and in front of the second, in neither."""
    fetches: tuple[Launch, ...] = ()
    """Copies to the host behind the last node."""
    ends_with_sync: bool = True
    """Whether a run returns when its work is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A Python InferenceSession. Its C session is replaced only on `thread`, where then all of its runs are made."""

    model: int
    stream: int
    is_profiled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One process. The first thread makes all sessions; then all threads run their steps at once."""

    streams: tuple[StreamSpec, ...]
    threads: tuple[tuple[Step, ...], ...]
    models: tuple[Model, ...] = ()
    owners: tuple[Owner, ...] = ()
    device_pace_ns: int = 0
    """How long after the work before it, or after what its stream waits for, work starts that was there by then."""
    pace: int = 0
    """Seed of the host's hesitations, and of how long its calls take."""
