"""Hypothesis strategies for programs, for what of them is recorded, and for how the files look.

`healthy_captures` draws recordings without a hole, `lossy_captures` any. Each draws a history too, so a test has the
true times: `History.busy`, `StreamWaited.stall_ns`, `HostWaited.stall_ns`, `History.is_ordered`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import strategies as st
from traces.history import History, Interval
from traces.kineto_rows import BasePlace, Layout, TraceLayout
from traces.machine import execute
from traces.ort_rows import ProfileLayout
from traces.program import (
    OWN_STREAM,
    EndProfiling,
    EventRecord,
    GraphLaunch,
    HostCall,
    HostWait,
    Launch,
    Model,
    Node,
    Owner,
    Pause,
    Program,
    Run,
    SetProviders,
    Step,
    StreamKind,
    StreamSpec,
    StreamWait,
    Sync,
    TorchOp,
    WorkKind,
)
from traces.recording import Losses, Recording, ThreadIds

_NS = (1, 250, 900, 1_000, 1_700, 6_400, 40_000, 300_000)
"""Lengths of device work: kernels of a µs and less are common."""
_QUIET_NS = 400_000
_OVERHEADS_NS = (7_000, 40_000, 180_000)
_HOST_CALLS = ("cudaMalloc", "cudaFree", "cudaFuncGetAttributes", "cudaStreamCreate")
_SYNC_KINDS = (HostWait.STREAM, HostWait.DEVICE, HostWait.EVENT, HostWait.QUERY)
_DAY_NS = 86_400 * 10**9
_BASES_NS = (1_000_000, _DAY_NS, 40 * _DAY_NS, 51_500 * _DAY_NS // 1000, 70 * _DAY_NS)
"""How long before a window Kineto's base lies: it is floored to three months. From 2^42 µs, 51 days, on a double holds
a time to the ns just so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A program's history, and how it was recorded."""

    history: History
    recording: Recording


@st.composite
def launches(draw: st.DrawFn, stream: st.SearchStrategy[int], *, is_unknown: bool = False) -> Launch:
    """Kernels, copies and fills; with `is_unknown` also such that no recorded call launched."""
    kind = draw(st.sampled_from((WorkKind.KERNEL, WorkKind.KERNEL, WorkKind.MEMCPY, WorkKind.MEMSET)))
    names = {
        WorkKind.KERNEL: ("gemm", "relu", "winograd<float, 3>"),
        WorkKind.MEMCPY: ("Memcpy HtoD (Pinned -> Device)", "Memcpy DtoH (Device -> Pageable)"),
        WorkKind.MEMSET: ("Memset (Device)",),
    }[kind]
    overhead = draw(st.sampled_from(("", "", "", "Lazy Function Loading", "Buffer Flush")))
    is_known = not (is_unknown and draw(st.booleans()))
    return Launch(
        kind=kind,
        name=draw(st.sampled_from(names)),
        stream=draw(stream),
        duration_ns=draw(st.sampled_from(_NS)),
        blocks=draw(st.sampled_from((1, 32))) if kind is WorkKind.KERNEL else 0,
        size_bytes=0 if kind is WorkKind.KERNEL else 4096,
        has_call=is_known,
        overhead=overhead if is_known else "",
        overhead_ns=draw(st.sampled_from(_OVERHEADS_NS)) if overhead and is_known else 0,
    )


def _own_launches(*, most: int) -> st.SearchStrategy[tuple[Launch, ...]]:
    return st.lists(launches(st.just(OWN_STREAM)), max_size=most).map(tuple)


@st.composite
def nodes(draw: st.DrawFn, name: str, depth: int) -> Node:
    """A node and, for If, Loop and Scan, what it encloses. Branches of an If launch kernels of their own names, so that
    the kernels of a run tell which one it took."""
    kinds = ["Conv", "Conv", "Shape", "MemcpyFromHost"] + (["If", "Loop", "Scan"] if depth else [])
    op_type = draw(st.sampled_from(kinds))
    if op_type == "Shape":
        host_ns = draw(st.sampled_from((0, 30_000)))
        return Node(name=name, op_type=op_type, provider="CPUExecutionProvider", host_ns=host_ns)
    if op_type == "MemcpyFromHost":
        copy = Launch(name="Memcpy HtoD (Pinned -> Device)", duration_ns=900, kind=WorkKind.MEMCPY, size_bytes=64)
        return Node(name=name, op_type=op_type, launches=(copy,))
    own = draw(_own_launches(most=2))
    if op_type == "Conv":
        return Node(name=name, launches=own)
    branches = tuple(
        tuple(
            _marked(draw(nodes(f"{name}/{branch}/{index}", depth - 1)), f"{branch}")
            for index in range(draw(st.integers(1, 2)))
        )
        for branch in range(2 if op_type == "If" else 1)
    )
    iterations = 1 if op_type == "If" else draw(st.integers(1, 2))
    return Node(name=name, op_type=op_type, launches=own[:1], branches=branches, iterations=iterations)


def _marked(node: Node, branch: str) -> Node:
    marker = Launch(name=f"kernel_of_branch_{branch}", duration_ns=900)
    return replace(node, launches=(*node.launches, marker)) if node.provider.startswith("CUDA") else node


@st.composite
def models(draw: st.DrawFn) -> Model:
    count = draw(st.integers(1, 4))
    copy = Launch(name="Memcpy DtoD (Device -> Device)", duration_ns=900, kind=WorkKind.MEMCPY, size_bytes=64)
    return Model(
        nodes=tuple(draw(nodes(f"n{index}", 2)) for index in range(count)),
        feeds=(replace(copy, name="Memcpy HtoD (Pageable -> Device)"),) * draw(st.integers(0, 1)),
        between=(copy,) * draw(st.integers(0, 1)),
        fetches=(replace(copy, name="Memcpy DtoH (Device -> Pinned)"),) * draw(st.integers(0, 1)),
        ends_with_sync=draw(st.booleans()),
    )


@st.composite
def stream_sets(draw: st.DrawFn) -> tuple[StreamSpec, ...]:
    """A legacy stream for each of one or two devices, and one to three others on each."""
    found: list[StreamSpec] = []
    for device in range(draw(st.integers(1, 2))):
        found.append(StreamSpec(device=device, trace_id=7, handle=0, kind=StreamKind.LEGACY))
        kinds = draw(st.lists(st.sampled_from((StreamKind.NON_BLOCKING, StreamKind.BLOCKING)), min_size=1, max_size=3))
        for number, kind in enumerate(kinds):
            handle = 94_000_000 + 1_000 * device + number
            found.append(StreamSpec(device=device, trace_id=20 + number, handle=handle, kind=kind))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What the steps of one thread may use."""

    streams: tuple[StreamSpec, ...]
    owners: tuple[int, ...]
    replaceable: tuple[int, ...]
    """Owners whose C session this thread alone uses."""
    thread: int
    is_odd: bool
    """Whether steps may be such that no capture of them is without a hole."""


@st.composite
def _cuda_steps(draw: st.DrawFn, scope: _Scope) -> tuple[Step, ...]:
    stream = draw(st.integers(0, len(scope.streams) - 1))
    event = 10 * scope.thread + draw(st.integers(0, 1))
    match draw(st.sampled_from(("launch", "launch", "graph", "wait", "sync"))):
        case "launch":
            return (draw(launches(st.just(stream), is_unknown=scope.is_odd)),)
        case "graph":
            kernel = Launch(name="graphed", duration_ns=draw(st.sampled_from(_NS)))
            return (GraphLaunch(kernels=(kernel,) * draw(st.integers(1, 3)), graph=9, stream=stream),)
        case "wait":
            other = draw(st.integers(0, len(scope.streams) - 1))
            wait = StreamWait(stream=other, event=event, has_call=not scope.is_odd or draw(st.booleans()))
            # Behind the wait there is work, without which Kineto does not record the wait.
            held = (Launch(name="held", duration_ns=1_000, stream=other),)
            is_recorded = not scope.is_odd or draw(st.booleans())
            return (*((EventRecord(event=event, stream=stream),) if is_recorded else ()), wait, *held)
        case _:
            kind = draw(st.sampled_from(_SYNC_KINDS))
            if kind is HostWait.STREAM:
                return (Sync(kind=kind, of=stream),)
            if kind is HostWait.DEVICE:
                return (Sync(kind=kind, of=scope.streams[stream].device),)
            return EventRecord(event=event, stream=stream), Sync(kind=kind, of=event)


@st.composite
def _steps(draw: st.DrawFn, scope: _Scope, depth: int) -> tuple[Step, ...]:
    kind = draw(st.sampled_from(("run", "run", "run", "cuda", "cuda", "call", "op", "pause", "session")))
    if kind == "run" and scope.owners:
        owner, count = draw(st.sampled_from(scope.owners)), draw(st.integers(1, 3))
        is_replay = draw(st.sampled_from((False, False, False, True)))
        return (Run(owner=owner, branch=draw(st.integers(0, 1)), is_replay=is_replay),) * count
    if kind == "op" and depth:
        inner = draw(st.lists(_steps(scope, depth - 1), max_size=2))
        # A range that is called like our own, of a run that nobody made: one of a run that was made is a lie about it.
        name = draw(st.sampled_from(("aten::mm", "aten::copy_", "ortprobe.run#77")))
        return (TorchOp(name=name, steps=tuple(step for steps in inner for step in steps)),)
    if kind == "session" and scope.replaceable:
        return (draw(st.sampled_from((SetProviders, EndProfiling)))(owner=draw(st.sampled_from(scope.replaceable))),)
    if kind == "call":
        return (
            HostCall(
                name=draw(st.sampled_from(_HOST_CALLS)),
                duration_ns=draw(st.sampled_from((2_000, 17_000, 50_000, 160_000))),
            ),
        )
    if kind == "pause":
        return (Pause(duration_ns=draw(st.integers(0, _QUIET_NS))),)
    return draw(_cuda_steps(scope))


@st.composite
def programs(draw: st.DrawFn, *, is_odd: bool = False, threads: st.SearchStrategy[int] | None = None) -> Program:
    """Programs of one to three threads; `is_odd` adds launches and waits that nobody recorded, and events that were
    never recorded before they were waited for."""
    streams = draw(stream_sets())
    drawn_models = tuple(draw(st.lists(models(), min_size=1, max_size=2)))
    count = draw(threads if threads is not None else st.sampled_from((1, 1, 2, 3)))
    owners = draw(st.lists(_owners(len(drawn_models), len(streams)), min_size=1, max_size=3))
    shared = tuple(number for number in range(len(owners)) if number % (count + 1) == count)
    own_steps = []
    for thread in range(count):
        own = tuple(number for number in range(len(owners)) if number % (count + 1) == thread)
        scope = _Scope(streams=streams, owners=own + shared, replaceable=own, thread=thread, is_odd=is_odd)
        drawn = draw(st.lists(_steps(scope, 2), min_size=1, max_size=5))
        own_steps.append(tuple(step for steps in drawn for step in steps))
    return Program(
        streams=streams, models=drawn_models, owners=tuple(owners), threads=tuple(own_steps), pace=draw(_seeds()),
        device_pace_ns=draw(st.sampled_from((0, 1_100, 6_500))),
    )  # fmt: skip


@st.composite
def waiting_captures(draw: st.DrawFn) -> Capture:
    """Streams of one device that wait for one another, also over several streams, while work runs on some of them."""
    kinds = draw(st.lists(st.sampled_from((StreamKind.NON_BLOCKING, StreamKind.BLOCKING)), min_size=2, max_size=4))
    streams = tuple(StreamSpec(device=0, trace_id=20 + n, handle=n + 1, kind=kind) for n, kind in enumerate(kinds))
    some = st.integers(0, len(streams) - 1)
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 5))):
        path = draw(st.lists(some, min_size=2, max_size=4))
        steps.append(Launch(name="awaited", duration_ns=draw(st.sampled_from((40_000, 300_000))), stream=path[0]))
        for event, (waited, waiting) in enumerate(pairwise(path)):
            steps += (EventRecord(event=event, stream=waited), StreamWait(event=event, stream=waiting))
        steps += draw(st.lists(launches(some), max_size=2))
        steps.append(Launch(name="held", duration_ns=6_400, stream=path[-1]))
        steps.append(Pause(duration_ns=draw(st.sampled_from((0, 100_000)))))
    # Kineto keeps the waits of streams alone that had work in the window.
    steps += [Launch(name="last", duration_ns=900, stream=number) for number in range(len(streams))]
    pace_ns = draw(st.sampled_from((1_100, 6_500)))
    history = execute(Program(streams=streams, threads=(tuple(steps),), device_pace_ns=pace_ns, pace=draw(_seeds())))
    windows = ((history.quiet_ns()[0], history.quiet_ns()[-1]),)
    return Capture(history=history, recording=draw(recordings(windows, Losses())))


@st.composite
def _owners(draw: st.DrawFn, model_count: int, stream_count: int) -> Owner:
    return Owner(
        model=draw(st.integers(0, model_count - 1)),
        stream=draw(st.integers(0, stream_count - 1)),
        is_profiled=draw(st.sampled_from((True, True, False))),
    )


def _seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 10_000)


@st.composite
def trace_layouts(draw: st.DrawFn) -> TraceLayout:
    """How torch's versions write a file. The content is the same in all."""
    return TraceLayout(
        layout=draw(st.sampled_from(Layout)),
        base_place=draw(st.sampled_from(BasePlace)),
        is_compressed=draw(st.booleans()),
        shuffle=draw(st.integers(0, 3)),
    )


@st.composite
def profile_layouts(draw: st.DrawFn) -> ProfileLayout:
    """How ORT's versions write a file. The content is the same in all, but for the fences of 1.20."""
    return ProfileLayout(
        is_compressed=draw(st.booleans()),
        is_indented=draw(st.booleans()),
        shuffle=draw(st.integers(0, 3)),
        has_fences=draw(st.booleans()),
    )


@st.composite
def recordings(draw: st.DrawFn, windows: tuple[Interval, ...], losses: Losses) -> Recording:
    return Recording(
        windows=windows,
        losses=losses,
        epoch_ns=1_795_000_000_000_000_000 + draw(st.integers(0, 999_999)),
        thread_ids=draw(st.sampled_from((ThreadIds.ABSOLUTE, ThreadIds.NATIVE))),
        sees_ops_of_all_threads=draw(st.booleans()),
        trace=draw(trace_layouts()),
        base_before_ns=draw(st.sampled_from(_BASES_NS)),
        profile=draw(profile_layouts()),
        has_flows=draw(st.booleans()),
        has_metadata=draw(st.booleans()),
        has_event_rows=draw(st.booleans()),
        sync_tid_offset=draw(st.sampled_from((0, 1_000_000))),
    )


@st.composite
def healthy_captures(draw: st.DrawFn, *, threads: st.SearchStrategy[int] | None = None) -> Capture:
    """Nothing lost, and torch's profiler attached and detached while nothing was under way."""
    history = execute(draw(programs(threads=threads)))
    windows = draw(_windows_at(tuple(history.quiet_ns())))
    return Capture(history=history, recording=draw(recordings(windows, Losses())))


@st.composite
def lossy_captures(draw: st.DrawFn) -> Capture:
    """Anything lost, odd launches, and windows that begin and end in the middle of things."""
    history = execute(draw(programs(is_odd=True)))
    moments = st.lists(st.integers(-10_000, history.end_ns + 10_000), min_size=2, max_size=4, unique=True)
    windows = draw(_windows_at(tuple(sorted(draw(moments)))) | _windows_at(tuple(history.quiet_ns())))
    return Capture(history=history, recording=draw(recordings(windows, draw(all_losses()))))


@st.composite
def all_losses(draw: st.DrawFn) -> Losses:
    some = st.lists(st.integers(0, 200), max_size=4).map(tuple)
    return Losses(
        head=draw(st.sampled_from((0, 0, 1, 3))),
        tail=draw(st.sampled_from((0, 0, 1, 3))),
        calls=draw(some),
        works=draw(some),
        waits=draw(some),
        resolves_waits=draw(st.booleans()),
        profile_events=draw(st.sampled_from((0, 0, 1, 7))),
    )


@st.composite
def _windows_at(draw: st.DrawFn, moments: tuple[int, ...]) -> tuple[Interval, ...]:
    """One or two disjoint windows that begin and end at some of these moments; mostly the longest one."""
    count = 2 * draw(st.sampled_from((1, 1, 2)))
    if len(moments) <= count or draw(st.booleans()):
        return ((moments[0], moments[-1]),)
    chosen = sorted(draw(st.sets(st.sampled_from(moments), min_size=count, max_size=count)))
    return tuple(zip(chosen[::2], chosen[1::2], strict=True))
