"""What each host thread was doing at every moment, told in causes of idleness."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from ortprobe.analysis.hooked_calls import OWN_HOOKS, SESSION_HOOKS
from ortprobe.analysis.idle.causes import CAUSES, FIRST_LAUNCH_NS, IdleCause
from ortprobe.analysis.idle.pieces import Segments
from ortprobe.analysis.nodes.placement import cpu_nodes, memcpy_nodes
from ortprobe.analysis.waits.made_waits import blocking_copies
from ortprobe.analysis.waits.wait_times import WAITING_CALLS
from ortprobe.timeline import NONE, Int32s, Int64s, Kind, Timeline, UInt8s, WaitKind
from ortprobe.timeline.cuda_calls import PAGEABLE_TO_DEVICE, base_name
from ortprobe.timeline.intervals import innermost_containing


class Layer(IntEnum):
    """What shadows what when a thread is in several spans at once. Within a layer the innermost span counts.

    Making a session shadows the CUDA calls it consists of. Launches come last: work that the thread launched is not
    why the device idles, what it launched it from is.
    """

    PROFILER = 0
    SESSION = 1
    LOADING = 2
    CALL = 3
    ORT = 4
    TORCH = 5
    LAUNCH = 6


LAUNCHES = (
    "cudaLaunchKernel", "cudaLaunchKernelExC", "cudaLaunchCooperativeKernel", "cudaGraphLaunch", "cudaMemcpyAsync",
    "cudaMemsetAsync", "cuLaunchKernel", "cuLaunchKernelEx", "cuLaunchCooperativeKernel", "cuGraphLaunch",
)  # fmt: skip
ALLOCATIONS = ("cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaHostRegister", "cudaHostUnregister", "cuMem")
"""Starts of names: `cudaMallocAsync`, `cudaFreeHost`, `cuMemCreate` …"""
LOADING_QUESTION = "cudaFuncGetAttributes"
LOADING_CALLS = ("cuModule", "cuLibrary", LOADING_QUESTION, "cudaLibrary")
LOADING_OVERHEAD = ("Module Loading", "Function Loading")
"""CUPTI's overhead records `Lazy Function Loading` and `Runtime Triggered Module Loading`; all others are its own."""
ORT_HOOKS = (
    "run", "run_with_iobinding", "run_with_ort_values", "run_with_ortvaluevector", "run_async", "io_binding",
    "bind_cpu_input", "bind_input", "bind_ortvalue_input", "bind_output", "bind_ortvalue_output", "synchronize_inputs",
    "synchronize_outputs", "copy_outputs_to_cpu", "clear_binding_inputs", "clear_binding_outputs", "runner.bind",
    "runner.run",
)  # fmt: skip

_Class = tuple[Layer, IdleCause]


class HostActivity:
    """Threads as gapless segments, made for each thread when it is first asked for."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._layer, self._cause = _classified(timeline)
        self._of_thread: dict[int, Segments] = {}
        self._loading_on: dict[int, Segments] = {}

    def of_thread(self, lane: int) -> Segments:
        """What the thread of this lane was doing."""
        if lane not in self._of_thread:
            mine = self._timeline.spans.lane == lane
            by_layer = [np.flatnonzero(mine & (self._layer == layer)) for layer in Layer]
            for layer in (Layer.PROFILER, Layer.LOADING):
                by_layer[layer] = np.union1d(by_layer[layer], self._overhead_of(lane, layer))
            self._of_thread[lane] = Segments.of(self._timeline.spans, by_layer, self._cause)
        return self._of_thread[lane]

    def loading_on(self, lane: int) -> Segments:
        """The profiler's work and the loading of code on this thread, alone."""
        if lane not in self._loading_on:
            overhead = [self._overhead_of(lane, layer) for layer in (Layer.PROFILER, Layer.LOADING)]
            self._loading_on[lane] = Segments.of(self._timeline.spans, overhead, self._cause)
        return self._loading_on[lane]

    def _overhead_of(self, lane: int, layer: Layer) -> Int64s:
        """Overhead records that lie inside of a CUDA call of this thread: CUPTI does not say whose they are."""
        spans = self._timeline.spans
        overhead = np.flatnonzero((spans.kind == Kind.OVERHEAD) & (self._layer == layer))
        calls = np.flatnonzero((spans.kind == Kind.CUDA_CALL) & (spans.lane == lane))
        during = innermost_containing(spans.start_ns[calls], spans.end_ns[calls], spans.start_ns[overhead])
        inside = during != NONE
        inside[inside] = spans.end_ns[overhead[inside]] <= spans.end_ns[calls[during[inside]]]
        return np.asarray(overhead[inside], np.int64)


def _classified(timeline: Timeline) -> tuple[Int32s, UInt8s]:
    """(layer, cause) of every span; layer NONE for spans that say nothing about what their thread was doing."""
    spans = timeline.spans
    kind_and_name = spans.kind.astype(np.int64) * len(timeline.names) + spans.name
    distinct, member = np.unique(kind_and_name, return_inverse=True)
    layer_of, cause_of = np.full(len(distinct), NONE, np.int32), np.zeros(len(distinct), np.uint8)
    for group, (kind, name) in enumerate(zip(*np.divmod(distinct, max(len(timeline.names), 1)), strict=True)):
        found = _class_of(Kind(int(kind)), timeline.names[int(name)])
        if found is not None:
            layer_of[group], cause_of[group] = found[0], CAUSES.index(found[1])
    layer, cause = layer_of[member], cause_of[member]
    for calls, waits_for in _copying_calls(timeline):
        layer[calls], cause[calls] = Layer.CALL, CAUSES.index(waits_for)
    cause[_short_questions(timeline)] = CAUSES.index(IdleCause.CUDA_CALL)
    cause[runs_on_host(timeline)] = CAUSES.index(IdleCause.CPU_NODE)
    return layer, cause


def _short_questions(timeline: Timeline) -> Int32s:
    """Calls that ask for a kernel's attributes and found its code loaded: ORT asks before many launches, in 5 µs."""
    spans = timeline.spans
    asking = [row for row, name in enumerate(timeline.names) if base_name(name) == LOADING_QUESTION]
    calls = spans.of_kind(Kind.CUDA_CALL)
    calls = calls[np.isin(spans.name[calls], asking)]
    return calls[spans.duration_ns[calls] <= FIRST_LAUNCH_NS]


def _copying_calls(timeline: Timeline) -> Iterator[tuple[Int32s, IdleCause]]:
    """Calls that copy while the host waits for the data, or hands it over piece by piece."""
    spans, ops, launch = timeline.spans, timeline.device_ops.span, timeline.links.launch
    yield launch[ops[blocking_copies(timeline)]], IdleCause.SYNC_WAIT
    from_pageable = [row for row, name in enumerate(timeline.names) if PAGEABLE_TO_DEVICE in name]
    copies = ops[np.isin(spans.name[ops], from_pageable)]
    calls = launch[copies][launch[copies] != NONE]
    by_copying = [row for row, name in enumerate(timeline.names) if name.startswith("cudaMemcpy")]
    yield calls[np.isin(spans.name[calls], by_copying)], IdleCause.PAGEABLE_COPY


def runs_on_host(timeline: Timeline) -> Int32s:
    """Executions of nodes that keep the host busy: on the CPU, and the copies that ORT inserted between providers."""
    on_host = cpu_nodes(timeline) | memcpy_nodes(timeline)
    return timeline.node_spans.span[on_host[timeline.node_spans.node]]


_CLASS_OF_KIND: dict[Kind, _Class] = {
    Kind.ORT_LOAD: (Layer.SESSION, IdleCause.SESSION_INIT),
    Kind.ORT_INITIALIZE: (Layer.SESSION, IdleCause.SESSION_INIT),
    Kind.ORT_RUN: (Layer.ORT, IdleCause.ORT_HOST),
    Kind.ORT_EXECUTE: (Layer.ORT, IdleCause.ORT_HOST),
    Kind.ORT_NODE: (Layer.ORT, IdleCause.ORT_HOST),
    Kind.TORCH_OP: (Layer.TORCH, IdleCause.TORCH_OP),
}


def _class_of(kind: Kind, name: str) -> _Class | None:
    if kind is Kind.OVERHEAD:
        loading = any(part in name for part in LOADING_OVERHEAD)
        return (Layer.LOADING, IdleCause.MODULE_LOADING) if loading else (Layer.PROFILER, IdleCause.PROFILER)
    if kind is Kind.HOOK:
        return _class_of_hook(name)
    if kind is Kind.CUDA_CALL:
        return _class_of_call(name)
    return _CLASS_OF_KIND.get(kind)


def _class_of_hook(label: str) -> _Class:
    """A hooked call's label is its name, followed by the buffer for calls that bind one."""
    name = label.partition(" ")[0]
    if name.startswith(OWN_HOOKS):
        return Layer.PROFILER, IdleCause.PROFILER
    if name in SESSION_HOOKS:
        return Layer.SESSION, IdleCause.SESSION_INIT
    if name in ORT_HOOKS:
        return Layer.ORT, IdleCause.ORT_HOST
    return Layer.TORCH, IdleCause.TORCH_OP


def _class_of_call(name: str) -> _Class:
    base = base_name(name)
    if base in LAUNCHES:
        return Layer.LAUNCH, IdleCause.CUDA_CALL
    if WAITING_CALLS.get(base, WaitKind.STREAM_WAIT_EVENT) is not WaitKind.STREAM_WAIT_EVENT or base == "cudaMemcpy":
        return Layer.CALL, IdleCause.SYNC_WAIT
    if base.startswith(ALLOCATIONS):
        return Layer.CALL, IdleCause.ALLOCATION
    if base.startswith(LOADING_CALLS):
        return Layer.CALL, IdleCause.MODULE_LOADING
    return Layer.CALL, IdleCause.CUDA_CALL
