"""Lays a judged timeline out on lanes: sessions, runs, threads, streams, idle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.sessions.session_lives import SessionLife
from ortprobe.analysis.waits.wait_times import WAITERS, Waiter, WaitTimes
from ortprobe.report.rows.marks import Category, MarkBlock, MarkSheet, NamePool, PageLane
from ortprobe.report.wording import CAUSE_LABELS, CREATION_LABELS
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Lane, LaneKind, Timeline
from ortprobe.timeline.intervals import Intervals

_QUIET_THREAD_SPANS = 64
"""A thread with fewer spans than this, no run and no wait starts folded."""
_QUIET_STREAM_SPANS = 16
"""So does a stream with fewer: cuDNN and ORT make some for a copy or two at the start."""

_QUICKLY_COUNTED = 200_000

_SPAN_CATEGORY = {
    Kind.HOOK: Category.HOOK,
    Kind.ORT_LOAD: Category.ORT_SETUP,
    Kind.ORT_INITIALIZE: Category.ORT_SETUP,
    Kind.ORT_RUN: Category.ORT_RUN,
    Kind.ORT_EXECUTE: Category.ORT_RUN,
    Kind.ORT_NODE: Category.ORT_NODE,
    Kind.TORCH_OP: Category.TORCH,
    Kind.ANNOTATION: Category.RANGE,
    Kind.PYTHON: Category.RANGE,
    Kind.CUDA_CALL: Category.CUDA_CALL,
    Kind.OVERHEAD: Category.OVERHEAD,
    Kind.KERNEL: Category.KERNEL,
    Kind.MEMCPY: Category.COPY,
    Kind.MEMSET: Category.FILL,
    Kind.WAIT: Category.OTHER,  # what the analysis counts as a wait is drawn by `_wait_block`
    Kind.EVENT_RECORD: Category.RECORD,
    Kind.GPU_ANNOTATION: Category.RANGE,
    Kind.OTHER: Category.OTHER,
}

_IDLE_CATEGORY = {
    IdleCause.SESSION_INIT: Category.IDLE_SETUP,
    IdleCause.MODULE_LOADING: Category.IDLE_SETUP,
    IdleCause.ALLOCATION: Category.IDLE_SETUP,
    IdleCause.SYNC_WAIT: Category.IDLE_WAIT,
    IdleCause.CROSS_STREAM_WAIT: Category.IDLE_WAIT,
    IdleCause.LAUNCH_LATENCY: Category.IDLE_LAUNCH,
    IdleCause.WITHIN_GRAPH: Category.IDLE_LAUNCH,
    IdleCause.ENGINE_SWITCH: Category.IDLE_LAUNCH,
    IdleCause.BACK_TO_BACK: Category.IDLE_LAUNCH,
    IdleCause.PROFILER: Category.IDLE_PROFILER,
    IdleCause.NO_MORE_WORK: Category.IDLE_END,
    IdleCause.UNATTRIBUTED: Category.UNATTRIBUTED,
}

_THREAD_LAYERS = (
    ("program", (Kind.HOOK, Kind.ANNOTATION, Kind.PYTHON, Kind.TORCH_OP, Kind.OTHER)),
    ("onnxruntime", (Kind.ORT_LOAD, Kind.ORT_INITIALIZE, Kind.ORT_RUN, Kind.ORT_EXECUTE, Kind.ORT_NODE)),
    ("CUDA calls", (Kind.CUDA_CALL,)),
)


def lay_out(judgement: Judgement, names: NamePool) -> MarkSheet:
    """Every span on its row, with the analyses' own marks: session lives, runs, waits and idle causes."""
    analyses, timeline = judgement.analyses, judgement.analyses.timeline
    sheet = MarkSheet()
    _add_sessions(sheet, analyses.sessions.lives, timeline, names)
    _add_runs(sheet, judgement, names)
    waits = analyses.waits
    for index in _lanes_of(timeline, LaneKind.THREAD):
        _add_thread(sheet, timeline, index, waits)
    for index in _lanes_of(timeline, LaneKind.STREAM):
        _add_stream(sheet, timeline, index, waits)
    piece = 0
    for device in analyses.idle.devices:
        _add_idle(sheet, device, names, first_piece=piece)
        piece += len(device.columns.piece_gap)
    _add_counters(sheet, timeline)
    return sheet


def stall_extents(waits: WaitTimes) -> Intervals:
    """When each wait held its waiter back: a stream until the awaited work ends, a thread as long as its call lasts."""
    held = _is_of(waits, Waiter.STREAM) & (waits.stall_ns > 0) & (waits.work != NONE)
    until_ns = waits.timeline.spans.end_ns[waits.work]
    return np.where(held, until_ns - waits.stall_ns, waits.start_ns), np.where(held, until_ns, waits.end_ns)


def _is_of(waits: WaitTimes, waiter: Waiter) -> Bools:
    return np.asarray(waits.waiter == WAITERS.index(waiter), np.bool_)


def _lanes_of(timeline: Timeline, kind: LaneKind) -> list[int]:
    """Threads with the most runs first, then by number of spans; streams by device and id."""
    counts = np.bincount(timeline.spans.lane, minlength=len(timeline.lanes))
    runs = np.bincount(timeline.runs.lane[timeline.runs.lane >= 0], minlength=len(timeline.lanes))
    chosen = [index for index, lane in enumerate(timeline.lanes) if lane.kind is kind]
    if kind is LaneKind.STREAM:
        return sorted(chosen, key=lambda index: (timeline.lanes[index].device, timeline.lanes[index].stream))
    return sorted(chosen, key=lambda index: (-int(runs[index]), -int(counts[index])))


def _add_sessions(sheet: MarkSheet, lives: Sequence[SessionLife], timeline: Timeline, names: NamePool) -> None:
    pieces: list[tuple[int, int, str, int, int]] = []
    for life in lives:
        session = life.session
        number = session.index
        re_init = session.replaces is not None
        label = f"re-init: session {number} replaces {session.replaces}" if re_init else ""
        label = label or f"session {number}: {CREATION_LABELS[session.creation]}"
        category = Category.RE_INIT if re_init else Category.CREATION
        pieces.append((session.start_ns, session.end_ns, label, category, session.index))
        if life.end_ns > session.end_ns:
            title = f"session {number}" + (f" · {life.runs} runs" if life.runs else "")
            pieces.append((session.end_ns, life.end_ns, title, Category.SESSION, session.index))
    lane = sheet.lane(PageLane("sessions", "Sessions", "lives, re-inits"))
    sheet.layer(lane, "life", _synthetic(pieces, names), heat=True)
    phases = timeline.spans.of_kind(Kind.ORT_LOAD, Kind.ORT_INITIALIZE)
    sheet.layer(lane, "load, init", _span_block(timeline, phases))


def _add_runs(sheet: MarkSheet, judgement: Judgement, names: NamePool) -> None:
    runs, times = judgement.analyses.timeline.runs, judgement.analyses.runs
    pieces = []
    for index in range(len(runs)):
        first = int(times.index_in_session[index]) == 0
        label = f"run {index}" + (" (first of session)" if first else "")
        category = Category.FIRST_RUN if first else Category.RUN
        pieces.append((int(runs.start_ns[index]), int(runs.end_ns[index]), label, int(category), index))
    lane = sheet.lane(PageLane("runs", "Runs", f"{len(runs):,} inferences"))
    sheet.layer(lane, "run", _synthetic(pieces, names), heat=True)


def _add_thread(sheet: MarkSheet, timeline: Timeline, index: int, waits: WaitTimes) -> None:
    mine = np.flatnonzero(timeline.spans.lane == index).astype(np.int32)
    kinds = timeline.spans.kind[mine]
    host_waits = np.flatnonzero(_is_of(waits, Waiter.HOST) & (waits.waiter_lane == index))
    busy = bool(len(host_waits)) or bool((timeline.runs.lane == index).any())
    quiet = not busy and len(mine) < _QUIET_THREAD_SPANS
    thread = timeline.lanes[index]
    lane = sheet.lane(PageLane(f"lane{index}", *_thread_names(thread, timeline), folded=quiet, role="thread"))
    for layer, wanted in _THREAD_LAYERS:
        chosen = mine[np.isin(kinds, wanted)]
        sheet.layer(lane, layer, _span_block(timeline, chosen), heat=layer != "program")
    sheet.layer(lane, "waits", _wait_block(waits, host_waits))
    sheet.layer(lane, "profiler", _span_block(timeline, mine[kinds == Kind.OVERHEAD]))


def _thread_names(thread: Lane, timeline: Timeline) -> tuple[str, str]:
    """Label and note: by its name where it has one, since the OS's number says little."""
    number, _, name = thread.label.removesuffix(")").partition(" (")
    if thread.thread == NONE:
        return _of_process(thread, timeline, thread.label), "its own work"
    label, note = (name, number) if name else (number, "host thread")
    return _of_process(thread, timeline, label), note


def _of_process(lane: Lane, timeline: Timeline, label: str) -> str:
    """With several processes, each label says of which it is."""
    return f"{lane.process} · {label}" if timeline.capture.processes > 1 else label


def _add_stream(sheet: MarkSheet, timeline: Timeline, index: int, waits: WaitTimes) -> None:
    mine = np.flatnonzero(timeline.spans.lane == index).astype(np.int32)
    kinds = timeline.spans.kind[mine]
    stream = timeline.lanes[index]
    quiet = len(mine) < _QUIET_STREAM_SPANS
    names, role = _stream_names(stream, timeline), "device" if stream.stream == NONE else f"stream of {stream.owner}"
    lane = sheet.lane(PageLane(f"lane{index}", *names, folded=quiet, role=role))
    sheet.layer(lane, "ranges", _span_block(timeline, mine[kinds == Kind.GPU_ANNOTATION]))
    work = mine[np.isin(kinds, (Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET, Kind.OTHER))]
    sheet.layer(lane, "device work", _span_block(timeline, work), heat=True)
    held = np.flatnonzero(_is_of(waits, Waiter.STREAM) & (waits.waiter_lane == index))
    sheet.layer(lane, "waits", _wait_block(waits, held))
    others = np.setdiff1d(mine[kinds == Kind.WAIT], waits.span)
    marks = np.sort(np.concatenate((mine[kinds == Kind.EVENT_RECORD], others)))
    sheet.layer(lane, "events", _span_block(timeline, marks.astype(np.int32)))


def _stream_names(stream: Lane, timeline: Timeline) -> tuple[str, str]:
    """Label and note. Stream ids count within a device, so with several devices each label says which."""
    if stream.stream == NONE:
        label = f"GPU {stream.device}" if stream.device != NONE else "one of the GPUs"
        return label, "device-wide waits"
    several = len({lane.device for lane in timeline.lanes if lane.device != NONE}) > 1
    label = f"GPU {stream.device} · {stream.label}" if several else stream.label
    return _of_process(stream, timeline, label), stream.owner.replace("+", " + ") or "owner not known"


def _add_idle(sheet: MarkSheet, device: DeviceIdle, names: NamePool, *, first_piece: int) -> None:
    columns = device.columns
    name = np.array([names.index(CAUSE_LABELS[cause]) for cause in CAUSES], np.int32)
    category = np.array([_IDLE_CATEGORY.get(cause, Category.IDLE_HOST) for cause in CAUSES], np.int32)
    pieces = MarkBlock(
        start_ns=columns.piece_start_ns,
        end_ns=columns.piece_end_ns,
        name=name[columns.piece_cause],
        category=category[columns.piece_cause],
        ref=np.arange(first_piece, first_piece + len(columns.piece_gap), dtype=np.int32),
    )
    lane = sheet.lane(PageLane(f"idle{device.device}", f"GPU {device.device} idle", "by cause"))
    sheet.layer(lane, "idle", pieces, heat=True)


def _add_counters(sheet: MarkSheet, timeline: Timeline) -> None:
    """Lanes of what the page counts itself, folded where counting takes long enough to be felt."""
    folded = len(timeline.spans) > _QUICKLY_COUNTED
    if len(timeline.device_ops.span):
        sheet.lane(PageLane("streams", "Streams at work", "how many at once", folded, "streams"))
        sheet.lane(PageLane("queue", "Launch queue", "launched, not begun", folded, "queue"))
    if timeline.node_spans.arena_growth_bytes.any():
        sheet.lane(PageLane("arena", "ORT memory", "arenas, from the first", folded, "arena"))


def _synthetic(pieces: Iterable[tuple[int, int, str, int, int]], names: NamePool) -> MarkBlock:
    """Marks from (start, end, label, category, ref)."""
    ordered = sorted(pieces, key=lambda piece: (piece[0], -piece[1]))
    table = np.array([(s, e, names.index(n), c, r) for s, e, n, c, r in ordered], np.int64).reshape(-1, 5)
    return MarkBlock(
        start_ns=table[:, 0],
        end_ns=table[:, 1],
        name=table[:, 2].astype(np.int32),
        category=table[:, 3].astype(np.int32),
        ref=table[:, 4].astype(np.int32),
    )


def _wait_block(waits: WaitTimes, rows: Int64s) -> MarkBlock:
    start_ns, end_ns = (bound[rows] for bound in stall_extents(waits))
    order = np.lexsort((-end_ns, start_ns))
    category = np.where(_is_of(waits, Waiter.STREAM)[rows], Category.STREAM_WAIT, Category.HOST_WAIT)
    return MarkBlock(
        start_ns=start_ns[order],
        end_ns=end_ns[order],
        name=waits.name[rows][order],
        category=category[order].astype(np.int32),
        ref=rows[order].astype(np.int32),
    )


def _span_block(timeline: Timeline, chosen: Int32s) -> MarkBlock:
    spans, links = timeline.spans, timeline.links
    category = np.array([_SPAN_CATEGORY[kind] for kind in Kind], np.int32)[spans.kind[chosen]]
    launches = np.isin(chosen, links.launch[timeline.device_ops.span])
    category[launches & (category == Category.CUDA_CALL)] = Category.LAUNCH
    return MarkBlock(
        start_ns=spans.start_ns[chosen],
        end_ns=spans.end_ns[chosen],
        name=spans.name[chosen],
        category=category,
        ref=chosen,
        node=links.node[chosen],
        run=links.run[chosen],
        correlation=spans.correlation[chosen],
        source=spans.source[chosen],
        source_row=spans.row[chosen],
    )
