"""When each device had nothing to do, and why: every idle nanosecond in exactly one cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import recorded_windows
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.chains import with_chains
from ortprobe.analysis.idle.cut import Knife
from ortprobe.analysis.idle.host_activity import HostActivity
from ortprobe.analysis.idle.pieces import by_cause
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline, UInt8s
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


def compute_knife(timeline: Timeline, waits: WaitTimes, activity: HostActivity) -> Knife:
    """What gaps are cut with, for idle devices and for starved streams."""
    return Knife.of(timeline, with_chains(timeline, _held_work(timeline, waits)), activity)


def compute_idle(knife: Knife) -> Idle:
    """Cut every gap of every device into pieces with a cause, see `IdleCause`."""
    timeline = knife.timeline
    windows = recorded_windows(timeline)
    if not len(windows[0]):
        return Idle(devices=())
    devices = np.unique(timeline.device_ops.device).tolist()
    return Idle(devices=tuple(_device_idle(knife, device, windows) for device in devices))


def _device_idle(knife: Knife, device: int, windows: Intervals) -> DeviceIdle:
    timeline, spans = knife.timeline, knife.timeline.spans
    ops = timeline.device_ops.span[timeline.device_ops.device == device]
    busy = union(spans.start_ns[ops], spans.end_ns[ops])
    free = [gaps(busy, start, end) for start, end in zip(*(bound.tolist() for bound in windows), strict=True)]
    gap_start_ns = np.concatenate([start for start, _ in free])
    gap_end_ns = np.concatenate([end for _, end in free])
    ended_by = _ended_by(timeline, ops, gap_end_ns)
    pieces = knife.cut(gap_start_ns, gap_end_ns, ended_by)
    idle_ns = total_ns((gap_start_ns, gap_end_ns))
    window_ns = total_ns(windows)
    return DeviceIdle(
        device=device,
        start_ns=int(windows[0][0]),
        end_ns=int(windows[1][-1]),
        window_ns=window_ns,
        busy_ns=window_ns - idle_ns,
        idle_ns=idle_ns,
        idle_by_cause=by_cause(pieces),
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


def _ended_by(timeline: Timeline, ops: Int32s, gap_end_ns: Int64s) -> Int32s:
    """The work that starts where the gap ends, of several the one launched first; NONE for a gap that the end of the
    recording ended."""
    start_ns = timeline.spans.start_ns[ops]
    row = np.minimum(np.searchsorted(start_ns, gap_end_ns), len(ops) - 1)
    ended_by = np.where(start_ns[row] == gap_end_ns, ops[row], NONE).astype(np.int32)
    past = np.searchsorted(start_ns, gap_end_ns, side="right")
    for gap in np.flatnonzero((past - row > 1) & (ended_by != NONE)).tolist():
        starting = ops[row[gap] : int(past[gap])]
        launch = timeline.links.launch[starting]
        ended_by[gap] = starting[np.argmin(np.where(launch == NONE, len(timeline.spans), launch))]
    return ended_by


def _held_work(timeline: Timeline, waits: WaitTimes) -> Int32s:
    """For each span, as device work: the stream's wait in front of it, and the last work waited for. Shape (N, 2)."""
    held = np.full((len(timeline.spans), 2), NONE, np.int32)
    rows = np.flatnonzero((waits.held != NONE) & (waits.work != NONE))
    # Of several waits in front of one work, the one whose awaited work ended last; of those, the first one.
    rows = rows[np.lexsort((-rows, timeline.spans.end_ns[waits.work[rows]]))]
    held[waits.held[rows], 0], held[waits.held[rows], 1] = waits.span[rows], waits.work[rows]
    return held
