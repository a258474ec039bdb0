"""What only some spans have: device work, waits, ONNX nodes, hooked calls. One row for each such span."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

import numpy as np

from ortprobe.timeline.spans import NONE, Bools, Int32s, Int64s, NameIndices, UInt8s


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOps:
    """Kernels, copies and fills, in time order."""

    span: Int32s
    """The span of kind KERNEL, MEMCPY or MEMSET."""
    device: Int32s
    """CUDA device number."""
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
    """The host waits for an event."""
    STREAM_SYNC = 2
    """The host waits for a stream."""
    DEVICE_SYNC = 3
    """The host waits for the whole device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Synchronisation records, in time order."""

    span: Int32s
    """The span of kind WAIT."""
    kind: Annotated[UInt8s, WaitKind]
    """What was done."""
    device: Int32s
    """CUDA device number of `stream`, or of what the host waits for; NONE where the trace does not say."""
    stream: Int64s
    """STREAM_WAIT_EVENT: the stream that waits. STREAM_SYNC: the stream that is waited for. Otherwise NONE."""
    waited_stream: Int64s
    """The stream whose recorded event is waited for; NONE when the trace does not resolve it (CUPTI 12.9 and later
    without activity kind 36: kineto issue 1552)."""
    record_correlation: Int64s
    """Correlation id of the `cudaEventRecord` that is waited for; NONE when unresolved."""
    event: Int64s
    """CUPTI's id of the event that is waited for; NONE where the trace does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """ONNX nodes as ORT executes them: one row for each node of each C session."""

    session: Int32s
    """Index in `Timeline.sessions`."""
    name: NameIndices
    """The node's name in the graph that ORT executes, after its optimisations."""
    op_type: NameIndices
    """ONNX operator, or one of ORT's own (`FusedConv`, `MemcpyToHost`)."""
    provider: NameIndices
    """Execution provider that ran it."""
    node_index: Int32s
    """ORT's own index of the node in its graph."""

    def __len__(self) -> int:
        return len(self.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpans:
    """Executions of nodes (spans of kind ORT_NODE), in time order."""

    span: Int32s
    """The span of kind ORT_NODE."""
    node: Int32s
    """Row in `Nodes`."""
    input_shapes: NameIndices
    """Types and shapes of the inputs, in the JSON that ORT writes."""
    output_bytes: Int64s
    """Size of all outputs (`output_size`); 0 where the profile does not say."""
    arena_growth_bytes: Int64s
    """`mem_arena_held_delta` (ORT 1.28 and later); 0 where the profile does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCalls:
    """Calls that ortprobe's hooks saw (spans of kind HOOK), in time order. Addresses are those of the process."""

    span: Int32s
    """The span of kind HOOK."""
    what: NameIndices
    """The call: `set_providers`, `bind_input`, `copy_`, `wait_stream`, `runner.copy` …"""
    session: Int32s
    """Index in `Timeline.sessions`; NONE for calls that concern none."""
    binding: Int32s
    """Number of the IOBinding in the process; NONE for calls that concern none."""
    stream: Int64s
    """The stream acted on, or torch's current one, by the id that the traces have; NONE where the capture could not
    tell."""
    waited_stream: Int64s
    """For waits: the stream whose work is waited for; of an event, the stream it was last seen recorded on."""
    event: Int64s
    """Number of the torch event in the process; NONE for calls that concern none."""
    buffer: NameIndices
    """Name of the input or output bound; NONE for other calls."""
    device: NameIndices
    """Where the memory is: `cpu`, `cuda:0`, or `cuda` where the call does not number the device; of a copy, where the
    target is. NONE where the hooks do not know."""
    contiguous: Int32s
    """Of a torch tensor that is bound by its address: 1 where it is contiguous, as ORT takes it to be, 0 where it is
    not; NONE where no tensor was seen to have the address, and for other calls."""
    dtype: NameIndices
    """Element type of the buffer as the call states it, by numpy's name, or ONNX's or torch's where numpy has none."""
    tensor_dtype: NameIndices
    """Of a torch tensor that is bound by its address: its own element type. NONE where the tensor was not seen, or was
    gone, and for other calls."""
    tensor_bytes: Int64s
    """Of the same: from the bound address to the end of its storage; 0 where that is not known."""
    origin: NameIndices
    """Where the memory on the host that the call reads had its content from: `gpu` where it was copied from there,
    `run` or `binding` where `run` or an IOBinding gave it, else `host`. NONE where nobody looked, and for other calls
    than feeds of `run`, `bind_cpu_input` and torch's copies to a GPU."""
    option: NameIndices
    """Key of the configuration entry that the call gives; NONE for other calls."""
    read_address: Int64s
    """Address that the call reads, or binds for a run to read; 0 where the hooks know of none."""
    read_bytes: Int64s
    """Bytes from `read_address` on."""
    write_address: Int64s
    """Address that the call writes, or binds for a run to write; 0 where the hooks know of none."""
    write_bytes: Int64s
    """Bytes from `write_address` on."""
    site: NameIndices
    """The program's own `file:line` that made the call; NONE when unknown."""
    attached: UInt8s
    """What was attached during the call, as bits: 1 is ORT's profile, 2 is torch's profiler."""
    failed: Bools
    """Whether it raised."""
    run_options: NameIndices
    """Of a run that was given RunOptions, their entries that change what it waits for or what it costs, as
    `gpu_graph_id=1` with blanks between them; NONE where it was given none, and for other calls."""

    def rows_of(self, spans: Int32s) -> Int64s:
        """The row of each of these spans; NONE for spans that are no hooked calls."""
        row = np.searchsorted(self.span, spans)
        found = row < len(self.span)
        found[found] = self.span[row[found]] == spans[found]
        return np.where(found, row, NONE)

    def sites_of(self, spans: Int32s) -> Int32s:
        """`site` of each of these spans; NONE for spans that are no hooked calls."""
        return np.append(self.site, NONE)[self.rows_of(spans)].astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Inferences, in time order: what the hooks saw, what ORT's profile calls `model_run`, or both as one."""

    start_ns: Int64s
    """Start of the Python call when it was hooked, else of `model_run`."""
    end_ns: Int64s
    """End of the same."""
    session: Int32s
    """Index in `Timeline.sessions`; NONE when it can't be told."""
    lane: Int32s
    """Index in `Timeline.lanes`: the thread that ran it."""
    hook_span: Int32s
    """The HOOK span of the Python call; NONE when no hook saw it."""
    run_span: Int32s
    """The ORT_RUN span; NONE for a run without ORT's profile."""
    execute_span: Int32s
    """The outermost ORT_EXECUTE span; NONE without a profile, and for a replayed CUDA graph."""
    attached: UInt8s
    """What was attached, as bits: 1 is ORT's profile, 2 is torch's profiler."""

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
    launch_by: Annotated[UInt8s, LinkedBy]
    """`LinkedBy`: STATED, or BY_TIME where several calls have that id."""
    node: Int32s
    """CUDA call, device work, ORT_NODE → row in `Nodes`."""
    node_by: Annotated[UInt8s, LinkedBy]
    """`LinkedBy`: STATED for executions of nodes, NESTED for what was launched inside one, SAME_SEQUENCE."""
    node_span: Int32s
    """CUDA call and device work → the ORT_NODE span around the launch; NONE when the node was transferred from
    another run of the same session with the same sequence of kernels."""
    run: Int32s
    """Any span → row in `Runs`: by containment on the host, through the launch on the device."""
    run_by: Annotated[UInt8s, LinkedBy]
    """`LinkedBy`: NESTED, or BY_TIME on other threads of a run."""
    hook: Int32s
    """Any span → row in `HookCalls`: the innermost hooked call around it, or around its launch. It has the line of the
    program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handovers:
    """Sides of hand-overs between threads, in time order: what was done before a give is done before all that follows a
    later take of the same token."""

    at_ns: Int64s
    """Of a give its beginning, of a take its end."""
    lane: Int32s
    """Index in `Timeline.lanes`: the thread."""
    token: Int64s
    """What the two sides have in common."""
    gives: Bools
    """Whether it is the giving side."""

    def __len__(self) -> int:
        return len(self.at_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorUses:
    """Reads and writes of memory bound to a session by operations of torch, in time order."""

    start_ns: Int64s
    """Of the operation, whose span of kind TORCH_OP begins then."""
    end_ns: Int64s
    """End of the operation on the host."""
    op: NameIndices
    """`aten::copy_`, `aten::mul` …"""
    address: Int64s
    """Of the tensor's storage."""
    size_bytes: Int64s
    """Of the storage, as far as it was seen."""
    extent_bytes: Int64s
    """From the tensor's first element to behind its last; where less than `size_bytes`, it lies somewhere in there."""
    writes: Bools
    """Whether it writes, or allocated the memory and so wrote it first; else it reads."""

    def __len__(self) -> int:
        return len(self.start_ns)
