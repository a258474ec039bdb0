"""Spans: everything that took time, from every source, in one set of columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
UInt8s = NDArray[np.uint8]
Bools = NDArray[np.bool_]

NONE = -1
"""No such span, lane, stream, correlation …: the empty value of every index and id column."""

STREAMS_OF_A_PROCESS = 1 << 32
"""Each process counts its streams from the start. So in a Timeline of several processes the ids of the second one's are
raised by this, those of the third one's by twice as much, and so on."""


LEGACY_STREAM = 7
"""CUPTI's id of the legacy default stream of a process's first context (in every recording of CUDA 12.8 to 13.0)."""


def own_stream(stream: int) -> int:
    """A stream id as the process itself has it."""
    return stream if stream < 0 else stream % STREAMS_OF_A_PROCESS


class InNames:
    """Marks a column of indices in `Timeline.names`: what it means to people are the names."""


NameIndices = Annotated[Int32s, InNames]
"""NONE where nothing is named."""


class Kind(IntEnum):
    """What a span is. Host kinds lie on thread lanes, device kinds on stream lanes."""

    HOOK = 0
    """A Python call that ortprobe's hooks saw."""
    ORT_LOAD = 1
    """ORT `model_loading_*`: reading and parsing the model."""
    ORT_INITIALIZE = 2
    """ORT `session_initialization`: optimising, partitioning, creating kernels, uploading weights."""
    ORT_RUN = 3
    """ORT `model_run`."""
    ORT_EXECUTE = 4
    """ORT `SequentialExecutor::Execute`: launching the nodes. A run, and each subgraph, has one."""
    ORT_NODE = 5
    """ORT `*_kernel_time`. For a node on a GPU: the host time it took to launch it, not its GPU time."""
    TORCH_OP = 6
    """A torch operator on the host (Kineto `cpu_op`)."""
    ANNOTATION = 7
    """`record_function` and other named ranges on the host."""
    PYTHON = 8
    """A Python function (`with_stack=True`)."""
    CUDA_CALL = 9
    """A CUDA runtime or driver call."""
    OVERHEAD = 10
    """The profiler's own work, and lazy module loading as CUPTI reports it."""
    KERNEL = 11
    """A kernel on the device."""
    MEMCPY = 12
    """A copy on the device, or to or from it."""
    MEMSET = 13
    """A fill of device memory."""
    WAIT = 14
    """A synchronisation record (`cuda_sync`): who waited for what. Its times are those of the host call."""
    EVENT_RECORD = 15
    """A CUDA event recorded on a stream."""
    GPU_ANNOTATION = 16
    """A named range projected onto a stream."""
    OTHER = 17
    """An event of ORT's profile that is none of these."""


DEVICE_WORK = (Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET)
"""Kinds that keep a device busy. Waits, event records and projected ranges do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """N spans, sorted by start, then by longest first, so that an enclosing span precedes what it encloses.

    All columns have length N. A span is named by its index in these columns.
    """

    start_ns: Int64s
    """Unix epoch nanoseconds, on the common clock."""
    end_ns: Int64s
    """Unix epoch nanoseconds; not before `start_ns`."""
    kind: Annotated[UInt8s, Kind]
    """What it is."""
    lane: Int32s
    """Index in `Timeline.lanes`: the thread or stream it lies on."""
    name: NameIndices
    """Of the function, operator, node or kernel, as its source writes it."""
    correlation: Int64s
    """CUPTI correlation id: shared by a CUDA call and the device work it launched."""
    external: Int64s
    """torch's `External id`: the torch op (or `_RecordFunctionFast` range) around the call."""
    source: Int32s
    """Index in `Timeline.sources`."""
    row: Int32s
    """Position of the event in its source, which makes a span citable."""

    def __len__(self) -> int:
        return len(self.start_ns)

    @property
    def duration_ns(self) -> Int64s:
        """From start to end."""
        return self.end_ns - self.start_ns

    def of_kind(self, *kinds: Kind) -> Int32s:
        """Indices of all spans of these kinds, in time order."""
        return np.flatnonzero(np.isin(self.kind, kinds)).astype(np.int32)
