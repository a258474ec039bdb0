"""What only some spans have: device work, waits, ONNX nodes, hooked calls. One row for each such span."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ortprobe.timeline.spans import NONE, Bools, Int32s, Int64s, UInt8s


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOps:
    """Kernels, copies and fills, in time order."""

    span: Int32s
    device: Int32s
    stream: Int64s
    """As in `Lane.stream`."""
    size_bytes: Int64s
    """Bytes copied or filled; 0 for kernels, NONE where the trace does not say (AMD)."""
    blocks: Int64s
    """Product of a kernel's grid dimensions; 0 for copies and fills."""
    graph: Int64s
    """CUDA graph id; NONE outside graphs, and where the trace does not say."""


class WaitKind(IntEnum):
    """What a synchronisation record says was done (Kineto's `cuda_sync_kind`)."""

    STREAM_WAIT_EVENT = 0
    """A stream waits for an event: nothing blocks on the host."""
    EVENT_SYNC = 1
    STREAM_SYNC = 2
    DEVICE_SYNC = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Synchronisation records, in time order."""

    span: Int32s
    kind: UInt8s
    """`WaitKind`."""
    device: Int32s
    stream: Int64s
    """STREAM_WAIT_EVENT: the stream that waits. STREAM_SYNC: the stream that is waited for. Otherwise NONE."""
    waited_stream: Int64s
    """The stream whose recorded event is waited for; NONE when the trace does not resolve it (CUPTI 12.9 and later
    without activity kind 36: kineto issue 1552)."""
    record_correlation: Int64s
    """Correlation id of the `cudaEventRecord` that is waited for; NONE when unresolved."""
    event: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """ONNX nodes as ORT executes them: one row for each node of each C session."""

    session: Int32s
    """Index in `Timeline.sessions`."""
    name: Int32s
    op_type: Int32s
    provider: Int32s
    """`name`, `op_type`, `provider`: indices in `Timeline.names`."""
    node_index: Int32s
    """ORT's own index of the node in its graph."""

    def __len__(self) -> int:
        return len(self.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpans:
    """Executions of nodes (spans of kind ORT_NODE), in time order."""

    span: Int32s
    node: Int32s
    """Row in `Nodes`."""
    input_shapes: Int32s
    """Index in `Timeline.names` of the shapes as ORT writes them."""
    output_bytes: Int64s
    arena_growth_bytes: Int64s
    """`mem_arena_held_delta` (ORT 1.28 and later); 0 where the profile does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCalls:
    """Calls that ortprobe's hooks saw (spans of kind HOOK), in time order. Addresses are those of the process."""

    span: Int32s
    what: Int32s
    """Index in `Timeline.names`: `set_providers`, `bind_input`, `copy_`, `wait_stream`, `runner.copy` …"""
    session: Int32s
    binding: Int32s
    stream: Int64s
    """Stream id as the traces have it; NONE where the capture could not tell."""
    waited_stream: Int64s
    buffer: Int32s
    """Index in `Timeline.names` of the input or output bound; NONE for other calls."""
    read_address: Int64s
    read_bytes: Int64s
    write_address: Int64s
    write_bytes: Int64s
    site: Int32s
    """Index in `Timeline.names` of the program's own `file:line`; NONE when unknown."""
    attached: UInt8s
    """What was attached during the call: bit 1 ORT's profile, bit 2 torch's profiler."""
    failed: Bools

    def rows_of(self, spans: Int32s) -> Int64s:
        """The row of each of these spans; NONE for spans that are no hooked calls."""
        row = np.searchsorted(self.span, spans)
        found = row < len(self.span)
        found[found] = self.span[row[found]] == spans[found]
        return np.where(found, row, NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Inferences, in time order: what the hooks saw, what ORT's profile calls `model_run`, or both as one."""

    start_ns: Int64s
    """Start of the Python call when it was hooked, else of `model_run`."""
    end_ns: Int64s
    session: Int32s
    """Index in `Timeline.sessions`; NONE when it can't be told."""
    lane: Int32s
    hook_span: Int32s
    run_span: Int32s
    """The ORT_RUN span; NONE for a run without ORT's profile."""
    execute_span: Int32s
    """The outermost ORT_EXECUTE span; NONE without a profile, and for a replayed CUDA graph."""
    attached: UInt8s
    """What was attached: bit 1 ORT's profile, bit 2 torch's profiler."""

    def __len__(self) -> int:
        return len(self.start_ns)


class LinkedBy(IntEnum):
    """How a link was found, the surest first."""

    NOTHING = 0
    """There is no link."""
    STATED = 1
    """A source names the other side: by correlation id, or a hook that saw the call itself."""
    NESTED = 2
    """One lies inside the other on the same thread."""
    SAME_SEQUENCE = 3
    """Borrowed from another run of the same session with exactly the same sequence of device work."""
    BY_TIME = 4
    """By time alone: one of several calls with the same correlation id, or a thread of a run that had the session for
    itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """What belongs to what. Each column has one entry for each span, NONE where there is no such link."""

    launch: Int32s
    """Device work → the CUDA call that launched it, by correlation id. Also WAIT and EVENT_RECORD → their call."""
    launch_by: UInt8s
    """`LinkedBy`: STATED, or BY_TIME where several calls have that id."""
    node: Int32s
    """CUDA call, device work, ORT_NODE → row in `Nodes`."""
    node_by: UInt8s
    """`LinkedBy`: STATED for executions of nodes, NESTED for what was launched inside one, SAME_SEQUENCE."""
    node_span: Int32s
    """CUDA call and device work → the ORT_NODE span around the launch; NONE when the node was transferred from
    another run of the same session with the same sequence of kernels."""
    run: Int32s
    """Any span → row in `Runs`: by containment on the host, through the launch on the device."""
    run_by: UInt8s
    """`LinkedBy`: NESTED, or BY_TIME on other threads of a run."""
    hook: Int32s
    """Any span → row in `HookCalls`: the innermost hooked call around it, or around its launch. It has the line of the
    program."""
