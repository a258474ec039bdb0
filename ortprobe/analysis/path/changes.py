"""The changes that a loop can be replayed with, each as a function from its steps to other steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.host_activity import HostActivity, runs_on_host
from ortprobe.analysis.path.steps import StepKind, Steps
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline
from ortprobe.timeline.intervals import union


class Change(StrEnum):
    """What is different in the replay."""

    NO_PROGRAM_WAITS = "no-program-waits"
    """The program's own stream, event and device synchronises are left out."""
    NO_RUN_WAITS = "no-run-waits"
    """The waits inside of runs are left out, with those at their end."""
    NO_BLOCKING_COPIES = "no-blocking-copies"
    """Copies return at once, as from and to pinned memory."""
    NO_CPU_NODES = "no-cpu-nodes"
    """Nodes on the CPU, and the Memcpy nodes that ORT put around them, are gone with all that they did."""
    ONE_STREAM = "one-stream"
    """All work of a device is on one stream, and nothing waits for events."""
    ONE_LAUNCH = "one-launch"
    """Each run launches its work at once, as a CUDA graph does."""
    NO_DEVICE_WORK = "no-device-work"
    """Device work takes no time: what is left is the host's."""
    NO_HOST_CAUSE = "no-host-cause"
    """What the host does for one cause takes no time."""
    FASTER_NODE = "faster-node"
    """The device work of one node takes half as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedLoop:
    """One change that there is something to change for."""

    change: Change
    cause: IdleCause | None = None
    """Of NO_HOST_CAUSE."""
    node: int = NONE
    """Row in `Timeline.nodes`, of FASTER_NODE."""
    edit: Callable[[Steps], Steps]


REMOVABLE = (
    IdleCause.ALLOCATION, IdleCause.MODULE_LOADING, IdleCause.TORCH_OP, IdleCause.PYTHON, IdleCause.CUDA_CALL,
)  # fmt: skip
"""Causes of idleness that are the host's and can go by themselves. Nodes on the CPU and waits are changes of their own,
and without ORT's host code there is no run."""
MOST_NODES = 3
"""Nodes that are tried at half their time: the dearest of the loop."""
FASTER = 0.5
_WORTH_A_TRY = 0.005
"""Host causes below this share of the loop are not tried."""


def possible_changes(timeline: Timeline, steps: Steps, activity: HostActivity) -> Iterator[ChangedLoop]:
    """All changes that would change this loop."""
    syncs = np.isin(steps.kind, (StepKind.SYNC_STREAM, StepKind.SYNC_DEVICE, StepKind.SYNC_WORK))
    launches = steps.kind == StepKind.LAUNCH
    for change, chosen in (
        (Change.NO_PROGRAM_WAITS, syncs & (steps.run == NONE)),
        (Change.NO_RUN_WAITS, syncs & (steps.run != NONE)),
    ):
        if chosen.any():
            yield ChangedLoop(change=change, edit=_without(chosen))
    if steps.blocks.any():
        yield ChangedLoop(change=Change.NO_BLOCKING_COPIES, edit=_without_blocking)
    yield from _without_nodes_on_cpu(timeline, steps)
    if len(np.unique(steps.stream[launches])) > 1:
        yield ChangedLoop(change=Change.ONE_STREAM, edit=_on_one_stream)
    if (launches & (steps.run != NONE)).any():
        yield ChangedLoop(change=Change.ONE_LAUNCH, edit=_as_one_launch)
    if launches.any():
        yield ChangedLoop(change=Change.NO_DEVICE_WORK, edit=_with_work(np.zeros(len(steps))))
    yield from _without_host_causes(steps, activity)
    yield from _with_faster_nodes(timeline, steps)


def _without(chosen: Bools) -> Callable[[Steps], Steps]:
    """What the threads did before these steps stays."""

    def edit(steps: Steps) -> Steps:
        kind = np.where(chosen, StepKind.PASS, steps.kind).astype(np.uint8)
        return replace(steps, kind=kind, own_ns=np.where(chosen, 0, steps.own_ns))

    return edit


def _without_blocking(steps: Steps) -> Steps:
    return replace(steps, blocks=np.zeros(len(steps), np.bool_))


def _on_one_stream(steps: Steps) -> Steps:
    """Streams are numbered over all devices; those of one device become one."""
    device = steps.stream_device
    stream = np.where(steps.stream == NONE, NONE, np.append(device, NONE)[steps.stream]).astype(np.int32)
    free_ns = np.zeros(int(device.max()) + 1, np.int64)
    np.maximum.at(free_ns, device, steps.free_ns)
    gates = steps.kind == StepKind.GATE
    apart = replace(steps, stream=stream, free_ns=free_ns, room_ns=np.zeros(len(steps), np.int64))
    return _without(gates)(apart)


def _as_one_launch(steps: Steps) -> Steps:
    """A run takes the host one launch: that of its first work. Waits stay."""
    inside = (steps.run != NONE) & ~((steps.span == NONE) & steps.begins)
    launches = np.flatnonzero((steps.kind == StepKind.LAUNCH) & inside)
    _, first = np.unique(steps.run[launches], return_index=True)
    kept = np.zeros(len(steps), np.bool_)
    kept[launches[first]] = True
    gone = inside & ~kept
    own = gone & (steps.kind == StepKind.LAUNCH)
    return replace(steps, before_ns=np.where(gone, 0, steps.before_ns), own_ns=np.where(own, 0, steps.own_ns))


def _with_work(factor: NDArray[np.float64]) -> Callable[[Steps], Steps]:
    def edit(steps: Steps) -> Steps:
        return replace(
            steps,
            work_ns=(steps.work_ns * factor).astype(np.int64),
            room_ns=(steps.room_ns * factor).astype(np.int64),
        )

    return edit


def _with_less_before(share: NDArray[np.float64]) -> Callable[[Steps], Steps]:
    """Without this share of what threads did before their steps."""

    def edit(steps: Steps) -> Steps:
        return replace(steps, before_ns=(steps.before_ns * (1 - share)).astype(np.int64))

    return edit


def _without_nodes_on_cpu(timeline: Timeline, steps: Steps) -> Iterator[ChangedLoop]:
    spans, rows = timeline.spans, runs_on_host(timeline)
    share, inside = np.zeros(len(steps)), np.zeros(len(steps), np.bool_)
    for lane in np.unique(steps.lane).tolist():
        mine = rows[spans.lane[rows] == lane]
        busy = union(spans.start_ns[mine], spans.end_ns[mine])
        on_lane = np.flatnonzero(steps.lane == lane)
        share[on_lane] = _share_before(steps, on_lane, busy)
        at = np.searchsorted(busy[0], steps.start_ns[on_lane], side="right") - 1
        inside[on_lane] = (at >= 0) & (steps.start_ns[on_lane] < np.append(busy[1], 0)[at])
    inside &= steps.span != NONE
    if share.any() or inside.any():
        less, without = _with_less_before(share), _without(inside)
        yield ChangedLoop(change=Change.NO_CPU_NODES, edit=lambda each: without(less(each)))


def _without_host_causes(steps: Steps, activity: HostActivity) -> Iterator[ChangedLoop]:
    whole_ns = max(int(steps.before_ns.sum()), 1)
    lanes = np.unique(steps.lane).tolist()
    for cause in REMOVABLE:
        share = np.zeros(len(steps))
        for lane in lanes:
            segments = activity.of_thread(lane)
            on_lane = np.flatnonzero(steps.lane == lane)
            if not len(segments.points_ns):
                share[on_lane] = cause is IdleCause.PYTHON
                continue
            named = (segments.because != NONE)[:-1]
            of_cause = ~named if cause is IdleCause.PYTHON else named & (segments.cause[:-1] == CAUSES.index(cause))
            starts_ns, ends_ns = segments.points_ns[:-1][of_cause], segments.points_ns[1:][of_cause]
            share[on_lane] = _share_before(steps, on_lane, (starts_ns, ends_ns))
        if (share * steps.before_ns).sum() > _WORTH_A_TRY * whole_ns:
            yield ChangedLoop(change=Change.NO_HOST_CAUSE, cause=cause, edit=_with_less_before(share))


def _share_before(steps: Steps, rows: Int64s, intervals: tuple[Int64s, Int64s]) -> NDArray[np.float64]:
    """How much of what the thread did before each of these steps the disjoint, sorted intervals cover."""
    from_ns = steps.before_from_ns[rows]
    covered = covered_ns(intervals, (from_ns, steps.start_ns[rows]))
    share: NDArray[np.float64] = covered / np.maximum(steps.start_ns[rows] - from_ns, 1)
    return share


def _with_faster_nodes(timeline: Timeline, steps: Steps) -> Iterator[ChangedLoop]:
    node: Int32s = np.where(steps.span == NONE, NONE, timeline.links.node[steps.span])
    known = (node != NONE) & (steps.kind == StepKind.LAUNCH)
    work_ns = np.bincount(node[known], steps.work_ns[known], minlength=len(timeline.nodes))
    for dearest in np.argsort(-work_ns, kind="stable")[:MOST_NODES].tolist():
        if work_ns[dearest] > 0:
            factor = np.where(known & (node == dearest), FASTER, 1.0)
            yield ChangedLoop(change=Change.FASTER_NODE, node=dearest, edit=_with_work(factor))
