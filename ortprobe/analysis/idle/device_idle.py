"""When each device had nothing to do, and why: every idle nanosecond in exactly one cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import recorded_windows
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.host_activity import HostActivity
from ortprobe.analysis.idle.pieces import Pieces, split
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline, UInt8s
from ortprobe.timeline.intervals import Intervals, gaps, total_ns, union

__all__ = ["CAUSES", "DeviceIdle", "Idle", "IdleCause", "IdleColumns", "IdleGap", "IdlePiece", "compute_idle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdlePiece:
    """A part of a gap with one cause."""

    start_ns: int
    end_ns: int
    cause: IdleCause
    because: int
    """The span that shows the cause; NONE where its absence is the evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleGap:
    """A stretch without any kernel, copy or fill on a device; its pieces follow one another without holes."""

    start_ns: int
    end_ns: int
    ended_by: int
    """The device work that ended it (a span); NONE for the last gap."""
    pieces: tuple[IdlePiece, ...]

    @property
    def longest_piece(self) -> IdlePiece:
        return max(self.pieces, key=lambda piece: piece.end_ns - piece.start_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleColumns:
    """All gaps and pieces of a device as columns, in time order; a capture can hold a million of them."""

    gap_start_ns: Int64s
    gap_end_ns: Int64s
    ended_by: Int32s
    piece_gap: Int32s
    """Row of the gap that the piece belongs to."""
    piece_start_ns: Int64s
    piece_end_ns: Int64s
    piece_cause: UInt8s
    """Position in `CAUSES`."""
    piece_because: Int32s

    def gaps(self, rows: Int64s) -> Iterator[IdleGap]:
        """These gaps as objects."""
        first, last = np.searchsorted(self.piece_gap, rows), np.searchsorted(self.piece_gap, rows, side="right")
        for row, begin, end in zip(rows.tolist(), first.tolist(), last.tolist(), strict=True):
            yield IdleGap(
                start_ns=int(self.gap_start_ns[row]),
                end_ns=int(self.gap_end_ns[row]),
                ended_by=int(self.ended_by[row]),
                pieces=tuple(self._piece(piece) for piece in range(begin, end)),
            )

    def _piece(self, piece: int) -> IdlePiece:
        return IdlePiece(
            start_ns=int(self.piece_start_ns[piece]),
            end_ns=int(self.piece_end_ns[piece]),
            cause=CAUSES[self.piece_cause[piece]],
            because=int(self.piece_because[piece]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdle:
    """One device. `busy_ns + idle_ns == window_ns`, and the causes sum to `idle_ns`, exactly."""

    device: int
    start_ns: int
    end_ns: int
    """From the first to the last span of the torch traces."""
    window_ns: int
    """How much of that was recorded: between two traces of one program nobody watched the device."""
    busy_ns: int
    idle_ns: int
    idle_by_cause: Mapping[IdleCause, int]
    """The dearest first; causes that did not occur are not in it."""
    columns: IdleColumns

    @property
    def gaps(self) -> tuple[IdleGap, ...]:
        """Every gap as an object, in time order. For large captures prefer `columns` or `longest_gaps`."""
        return tuple(self.columns.gaps(np.arange(len(self.columns.gap_start_ns))))

    def longest_gaps(self, count: int) -> tuple[IdleGap, ...]:
        """The longest gaps, the longest first."""
        length_ns = self.columns.gap_end_ns - self.columns.gap_start_ns
        return tuple(self.columns.gaps(np.argsort(-length_ns, kind="stable")[:count]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Per device; empty when the capture holds no device work, or none that took time."""

    devices: tuple[DeviceIdle, ...]


BACK_TO_BACK_NS = 5_000
"""Queued work that starts within this after the work before it: the device's own pace."""
EVENT_LATENCY_NS = 10_000
"""How long after the waited work's end a stream starts what it held back."""


def compute_idle(timeline: Timeline, waits: WaitTimes) -> Idle:
    """Cut every gap of every device into pieces with a cause.

    A gap is cut along the launch of the work that ended it: before the call, by what its thread was doing; from the
    call's start on, launch latency (less the loading of code that CUPTI saw in it). Where the call had returned before
    the gap began, by what the device waited for.
    """
    windows = recorded_windows(timeline)
    if not len(windows[0]):
        return Idle(devices=())
    activity = HostActivity(timeline)
    held = _held_work(timeline, waits)
    devices = np.unique(timeline.device_ops.device).tolist()
    return Idle(devices=tuple(_device_idle(timeline, device, windows, activity, held) for device in devices))


def _device_idle(
    timeline: Timeline, device: int, windows: Intervals, activity: HostActivity, held: Int32s
) -> DeviceIdle:
    spans = timeline.spans
    ops = timeline.device_ops.span[timeline.device_ops.device == device]
    busy = union(spans.start_ns[ops], spans.end_ns[ops])
    free = [gaps(busy, start, end) for start, end in zip(*(bound.tolist() for bound in windows), strict=True)]
    gap_start_ns = np.concatenate([start for start, _ in free])
    gap_end_ns = np.concatenate([end for _, end in free])
    ended_by = _ended_by(spans.start_ns[ops], ops, gap_end_ns)
    pieces = _cut(timeline, Pieces.whole(gap_start_ns, gap_end_ns), ended_by, activity, held)
    idle_ns = total_ns((gap_start_ns, gap_end_ns))
    window_ns = total_ns(windows)
    return DeviceIdle(
        device=device,
        start_ns=int(windows[0][0]),
        end_ns=int(windows[1][-1]),
        window_ns=window_ns,
        busy_ns=window_ns - idle_ns,
        idle_ns=idle_ns,
        idle_by_cause=_by_cause(pieces),
        columns=IdleColumns(
            gap_start_ns=gap_start_ns,
            gap_end_ns=gap_end_ns,
            ended_by=ended_by,
            piece_gap=pieces.gap,
            piece_start_ns=pieces.start_ns,
            piece_end_ns=pieces.end_ns,
            piece_cause=pieces.cause,
            piece_because=pieces.because,
        ),
    )


def _ended_by(start_ns: Int64s, ops: Int32s, gap_end_ns: Int64s) -> Int32s:
    """The work that starts where the gap ends; NONE for a gap that the end of the recording ended."""
    row = np.minimum(np.searchsorted(start_ns, gap_end_ns), len(ops) - 1)
    return np.where(start_ns[row] == gap_end_ns, ops[row], NONE).astype(np.int32)


def _cut(timeline: Timeline, gap: Pieces, ended_by: Int32s, activity: HostActivity, held: Int32s) -> Pieces:
    spans = timeline.spans
    launch = np.where(ended_by == NONE, NONE, timeline.links.launch[ended_by]).astype(np.int32)
    launch_ns = np.where(launch == NONE, gap.end_ns, spans.start_ns[launch])
    lane = np.where(launch == NONE, NONE, spans.lane[launch])
    # A call that has not returned when the gap begins has not enqueued its work for certain.
    late = (launch != NONE) & (spans.end_ns[launch] > gap.start_ns)
    call_ns = np.clip(launch_ns, gap.start_ns, gap.end_ns)
    parts = [
        gap.where(ended_by == NONE, IdleCause.NO_MORE_WORK),
        gap.where((ended_by != NONE) & (launch == NONE), IdleCause.UNATTRIBUTED, because=ended_by),
        _queued(timeline, gap, (launch != NONE) & ~late, ended_by, held),
    ]
    for thread in np.unique(lane[late]).tolist():
        of_thread = late & (lane == thread)
        before = gap.where(of_thread, IdleCause.PYTHON, end_ns=call_ns)
        after = gap.where(of_thread, IdleCause.LAUNCH_LATENCY, start_ns=call_ns, because=launch)
        parts += [split(before, activity.of_thread(thread)), split(after, activity.loading_on(thread))]
    return Pieces.joined(parts)


def _queued(timeline: Timeline, gap: Pieces, mask: Bools, ended_by: Int32s, held: Int32s) -> Pieces:
    """Work that was launched before the gap began, so that the device itself is what it waited for."""
    wait = np.where(ended_by == NONE, NONE, held[ended_by, 0]).astype(np.int32)
    waited = np.where(wait == NONE, NONE, held[ended_by, 1])
    length_ns = gap.end_ns - gap.start_ns
    # Nothing runs in a gap, so work that held the stream back until now ended where the gap began.
    waited_last = (waited != NONE) & (timeline.spans.end_ns[waited] == gap.start_ns)
    crossing = mask & waited_last & (length_ns < EVENT_LATENCY_NS)
    close = mask & ~crossing & (length_ns < BACK_TO_BACK_NS)
    return Pieces.joined(
        [
            gap.where(crossing, IdleCause.CROSS_STREAM_WAIT, because=wait),
            gap.where(close, IdleCause.BACK_TO_BACK, because=ended_by),
            gap.where(mask & ~crossing & ~close, IdleCause.UNATTRIBUTED, because=ended_by),
        ]
    )


def _held_work(timeline: Timeline, waits: WaitTimes) -> Int32s:
    """For each span, as device work: the stream's wait in front of it, and the last work waited for. Shape (N, 2)."""
    held = np.full((len(timeline.spans), 2), NONE, np.int32)
    rows = np.flatnonzero((waits.held != NONE) & (waits.work != NONE))
    # Of several waits in front of one work, the one whose awaited work ended last; of those, the first one.
    rows = rows[np.lexsort((-rows, timeline.spans.end_ns[waits.work[rows]]))]
    held[waits.held[rows], 0], held[waits.held[rows], 1] = waits.span[rows], waits.work[rows]
    return held


def _by_cause(pieces: Pieces) -> dict[IdleCause, int]:
    sums = np.zeros(len(CAUSES), np.int64)
    np.add.at(sums, pieces.cause, pieces.end_ns - pieces.start_ns)
    return {CAUSES[row]: int(sums[row]) for row in np.argsort(-sums, kind="stable").tolist() if sums[row]}
