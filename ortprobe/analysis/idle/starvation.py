"""Streams that had nothing to run while another stream of their device was busy, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.coverage import recorded_windows
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.cut import Knife
from ortprobe.timeline import NONE, Int32s, Int64s
from ortprobe.timeline.groups import rows_by_value, sum_by_group
from ortprobe.timeline.intervals import Intervals, gaps, total_ns, union


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarvation:
    """One stream. `busy_ns + starved_ns + device_idle_ns == life_ns`, and the causes sum to `starved_ns`, exactly."""

    device: int
    stream: int
    """As in `Lane.stream`."""
    life_ns: int
    """From its first to its last work, in each recorded window."""
    busy_ns: int
    starved_ns: int
    """It ran nothing, and another stream of the device did."""
    device_idle_ns: int
    """Nothing ran on the device: see `DeviceIdle`."""
    starved_by_cause: Mapping[IdleCause, int]
    """Along the launch of the stream's own next work, see `IdleCause`. The dearest first; causes that did not occur
    are not in it. `UNATTRIBUTED` is queued work too that the device left waiting, for want of room or otherwise."""
    meanwhile_ns: Mapping[int, int]
    """Streams of the device that ran while this one starved, and how long: the most first. Several can run at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starvation:
    """All streams of all devices with work in a recorded window, by device and stream."""

    streams: tuple[StreamStarvation, ...]


def compute_starvation(knife: Knife) -> Starvation:
    """Cut each stream's gaps as those of devices are cut, and keep what another stream's work covers."""
    ops = knife.timeline.device_ops
    windows = recorded_windows(knife.timeline)
    found: list[StreamStarvation] = []
    for _, of_device in rows_by_value(ops.device):
        streams = {stream: ops.span[of_device[rows]] for stream, rows in rows_by_value(ops.stream[of_device])}
        if len(windows[0]):
            found += _of_device(knife, int(ops.device[of_device[0]]), streams, windows)
    return Starvation(streams=tuple(found))


def _of_device(
    knife: Knife, device: int, streams: Mapping[int, Int32s], windows: Intervals
) -> Iterator[StreamStarvation]:
    spans = knife.timeline.spans
    busy = {stream: union(spans.start_ns[ops], spans.end_ns[ops]) for stream, ops in streams.items()}
    device_busy = union(*(np.concatenate(side) for side in zip(*busy.values(), strict=True)))
    for stream, ops in streams.items():
        if not len(busy[stream][0]):
            continue
        free = _free(busy[stream], windows)
        pieces = knife.cut(*free, _starting(spans.start_ns[ops], ops, free[1]))
        starved_ns = covered_ns(device_busy, (pieces.start_ns, pieces.end_ns))
        sums = sum_by_group(pieces.cause, starved_ns, len(CAUSES))
        beside = {other: int(covered_ns(busy[other], free).sum()) for other in streams if other != stream}
        yield StreamStarvation(
            device=device,
            stream=stream,
            life_ns=total_ns(busy[stream]) + total_ns(free),
            busy_ns=total_ns(busy[stream]),
            starved_ns=int(starved_ns.sum()),
            device_idle_ns=total_ns(free) - int(starved_ns.sum()),
            starved_by_cause={CAUSES[row]: int(sums[row]) for row in np.argsort(-sums, kind="stable") if sums[row]},
            meanwhile_ns=dict(sorted(((o, ns) for o, ns in beside.items() if ns), key=lambda each: -each[1])),
        )


def _free(busy: Intervals, windows: Intervals) -> Intervals:
    """The gaps between a stream's first and last work in each window."""
    free = []
    for start_ns, end_ns in zip(*(side.tolist() for side in windows), strict=True):
        first, last = np.searchsorted(busy[0], start_ns), np.searchsorted(busy[1], end_ns, side="right") - 1
        if first <= last:
            free.append(gaps(busy, int(busy[0][first]), int(busy[1][last])))
    nothing = np.zeros(0, np.int64)
    starts, ends = zip(*free, strict=True) if free else ((nothing,), (nothing,))
    return np.concatenate(starts), np.concatenate(ends)


def _starting(start_ns: Int64s, ops: Int32s, at_ns: Int64s) -> Int32s:
    """The stream's work that starts at each of these times."""
    row = np.minimum(np.searchsorted(start_ns, at_ns), len(ops) - 1)
    return np.where(start_ns[row] == at_ns, ops[row], NONE).astype(np.int32)
