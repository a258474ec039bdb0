"""Which line of the program stands behind idle time that the host caused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.idle.causes import CAUSES, HOST_CAUSES, IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle, Idle
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Site, Timeline
from ortprobe.timeline.groups import sum_by_group
from ortprobe.timeline.intervals import innermost_containing


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleLine:
    """Idle time with one cause at one place of the program."""

    cause: IdleCause
    site: Site | None
    """The line of the hooked call around it; with `next_site`, that of the hooked call that ended before it."""
    next_site: Site | None
    """The line of the next hooked call on that thread; None inside of a call, and behind the last."""
    is_between: bool
    """Whether the thread was in no hooked call: then what took the time lies between the two lines."""
    time_ns: int
    pieces: int
    """How many pieces of idle time that is."""
    longest_piece: int
    """The longest of them: its row in the device's `IdleColumns`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLines:
    """One device. The lines' times and `unknown_ns` sum to `host_ns` exactly."""

    device: int
    host_ns: int
    """Idle time whose cause is the host's, see `HOST_CAUSES`."""
    unknown_ns: int
    """What of it has no line: no hooked call was seen on that thread, or none whose line is known."""
    lines: tuple[IdleLine, ...]
    """The dearest first."""
    piece_site: Int32s
    """For each piece of the device's `IdleColumns`, the name that holds `IdleLine.site`; NONE where there is none."""
    piece_next_site: Int32s
    """The same for `IdleLine.next_site`; NONE for all pieces inside of a call."""
    piece_is_inside: Bools
    """Whether the thread was in a hooked call; of pieces without a line it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleLines:
    """Per device, as in `Idle.devices`."""

    devices: tuple[DeviceLines, ...]


def compute_idle_lines(timeline: Timeline, idle: Idle) -> IdleLines:
    """Find the hooked call around each piece of idle time on the thread whose launch was late; else those beside it."""
    return IdleLines(devices=tuple(_device_lines(timeline, device) for device in idle.devices))


def _device_lines(timeline: Timeline, device: DeviceIdle) -> DeviceLines:
    columns = device.columns
    of_host = np.isin(columns.piece_cause, [CAUSES.index(cause) for cause in HOST_CAUSES])
    ended_by = columns.ended_by[columns.piece_gap]
    launch = np.where(ended_by == NONE, NONE, timeline.links.launch[ended_by])
    lane = np.where(of_host & (launch != NONE), timeline.spans.lane[launch], NONE)
    site, next_site, inside = (np.full(len(lane), value, np.int32) for value in (NONE, NONE, 1))
    for thread in np.unique(lane[lane != NONE]).tolist():
        pieces = np.flatnonzero(lane == thread)
        times = columns.piece_start_ns[pieces], columns.piece_end_ns[pieces]
        site[pieces], next_site[pieces], inside[pieces] = _sites(timeline, thread, *times)
    length_ns = columns.piece_end_ns - columns.piece_start_ns
    known = (site != NONE) | (next_site != NONE)
    lines = _summed(timeline, [columns.piece_cause.astype(np.int32), site, next_site, inside], length_ns, known)
    return DeviceLines(
        device=device.device,
        host_ns=int(length_ns[of_host].sum()),
        unknown_ns=int(length_ns[of_host & ~known].sum()),
        lines=tuple(sorted(lines, key=lambda line: -line.time_ns)),
        piece_site=site,
        piece_next_site=next_site,
        piece_is_inside=inside == 1,
    )


def _sites(timeline: Timeline, lane: int, start_ns: Int64s, end_ns: Int64s) -> tuple[Int32s, Int32s, Int32s]:
    """(site, next site, whether inside of a call) of stretches of a thread's time; none begins or ends a call."""
    hooks, spans = timeline.hooks, timeline.spans
    mine = np.flatnonzero((spans.lane[hooks.span] == lane) & (hooks.site != NONE))
    span = hooks.span[mine]
    name = np.append(hooks.site[mine], NONE)
    around = innermost_containing(spans.start_ns[span], spans.end_ns[span], start_ns)
    inside = around != NONE
    by_end = np.argsort(spans.end_ns[span], kind="stable")
    before = np.searchsorted(spans.end_ns[span[by_end]], start_ns, side="right") - 1
    before = np.append(by_end, NONE)[before]
    after = np.searchsorted(spans.start_ns[span], end_ns, side="left")
    return (
        name[np.where(inside, around, before)].astype(np.int32),
        np.where(inside, NONE, name[after]).astype(np.int32),
        inside.astype(np.int32),
    )


def _summed(timeline: Timeline, keys: list[Int32s], length_ns: Int64s, known: Bools) -> Iterator[IdleLine]:
    distinct, member = np.unique(np.stack([key[known] for key in keys]), axis=1, return_inverse=True)
    time_ns = sum_by_group(member.ravel(), length_ns[known], distinct.shape[1])
    count = np.bincount(member.ravel(), minlength=len(time_ns))
    longest = np.zeros(len(time_ns), np.int64)
    rising = np.argsort(length_ns[known], kind="stable")
    longest[member.ravel()[rising]] = np.flatnonzero(known)[rising]
    found = zip(distinct.T.tolist(), time_ns.tolist(), count.tolist(), longest.tolist(), strict=True)
    for (cause, site, next_site, inside), time, pieces, piece in found:
        yield IdleLine(
            cause=CAUSES[cause],
            site=timeline.site_at(site),
            next_site=timeline.site_at(next_site),
            is_between=not inside,
            time_ns=time,
            pieces=pieces,
            longest_piece=piece,
        )
