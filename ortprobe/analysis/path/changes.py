"""The changes that a loop can be replayed with, each as a function from its steps to other steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.host_activity import HostActivity, runs_on_host
from ortprobe.analysis.nodes.placement import memcpy_nodes, moving_nodes
from ortprobe.analysis.path.steps import CopyKind, StepKind, Steps
from ortprobe.analysis.races.wait_uses import Use, WaitUse
from ortprobe.analysis.waits.roles import WaitRole
from ortprobe.timeline import NONE, Bools, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import union


class Change(StrEnum):
    """What is different in the replay."""

    NO_PROGRAM_WAITS = "no-program-waits"
    """The program's own stream, event and device synchronises are left out."""
    NO_RUN_WAITS = "no-run-waits"
    """The waits inside of runs are left out, with those at their end."""
    NO_NEEDLESS_WAITS = "no-needless-waits"
    """Those of the program's own waits are left out that order nothing that was seen."""
    NO_LEGACY_WAITS = "no-legacy-waits"
    """ORT's waits for the legacy stream at the end of runs are left out, where they order nothing that was seen."""
    PINNED_MEMORY = "pinned-memory"
    """Copies from and to pageable memory are from and to pinned memory: their calls return at once, and take the device
    as long as the pinned copies of this capture would. The host waits only for what it copies out."""
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
    NO_LAYOUT_WORK = "no-layout-work"
    """Nodes that only reorder elements or change their type take the device no time, and no launch."""
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


def possible_changes(
    timeline: Timeline, steps: Steps, activity: HostActivity, uses: Sequence[WaitUse]
) -> Iterator[ChangedLoop]:
    """All changes that would change this loop."""
    syncs = np.isin(steps.kind, (StepKind.SYNC_STREAM, StepKind.SYNC_DEVICE, StepKind.SYNC_WORK))
    launches = steps.kind == StepKind.LAUNCH
    for change, chosen in (
        (Change.NO_PROGRAM_WAITS, syncs & (steps.run == NONE)),
        (Change.NO_RUN_WAITS, syncs & (steps.run != NONE)),
        (Change.NO_NEEDLESS_WAITS, _needless(steps, uses, WaitRole.PROGRAM)),
        (Change.NO_LEGACY_WAITS, _needless(steps, uses, WaitRole.RUN_END_LEGACY)),
    ):
        if chosen.any():
            yield ChangedLoop(change=change, edit=_without(chosen))
    if np.isin(steps.copy, (CopyKind.PAGEABLE_IN, CopyKind.PAGEABLE_OUT)).any():
        yield ChangedLoop(change=Change.PINNED_MEMORY, edit=_with_pinned_memory)
    yield from _without_nodes_on_cpu(timeline, steps)
    if len(np.unique(steps.stream[launches])) > 1:
        yield ChangedLoop(change=Change.ONE_STREAM, edit=_on_one_stream)
    if (launches & (steps.run != NONE)).any() and not _is_memcpy(timeline, steps).any():
        yield ChangedLoop(change=Change.ONE_LAUNCH, edit=_as_one_launch)
    if launches.any():
        yield ChangedLoop(change=Change.NO_DEVICE_WORK, edit=_with_work(np.zeros(len(steps))))
    if (moving := launches & _moves_elements(timeline, steps)).any():
        yield ChangedLoop(change=Change.NO_LAYOUT_WORK, edit=_without_work(moving))
    yield from _without_host_causes(steps, activity)
    yield from _with_faster_nodes(timeline, steps)


def _needless(steps: Steps, uses: Sequence[WaitUse], role: WaitRole) -> Bools:
    calls = [call for use in uses if use.use is Use.NOTHING and use.role is role for call in use.calls]
    return np.isin(steps.span, calls)


def _without(chosen: Bools) -> Callable[[Steps], Steps]:
    """What the threads did before these steps stays."""

    def edit(steps: Steps) -> Steps:
        kind = np.where(chosen, StepKind.PASS, steps.kind).astype(np.uint8)
        return replace(steps, kind=kind, own_ns=np.where(chosen, 0, steps.own_ns))

    return edit


def _with_pinned_memory(steps: Steps) -> Steps:
    """torch waits for its stream behind each copy of pageable memory. What follows a copy in is dropped; what follows a
    copy out stays, since the host then reads what was copied."""
    into, out = steps.copy == CopyKind.PAGEABLE_IN, steps.copy == CopyKind.PAGEABLE_OUT
    launches = steps.kind == StepKind.LAUNCH
    usual_ns = int(np.median(steps.own_ns[launches & ~into & ~out])) if (launches & ~into & ~out).any() else 0
    behind = np.zeros(len(steps), np.bool_)
    for lane in np.unique(steps.lane).tolist():
        mine = np.flatnonzero((steps.lane == lane) & (steps.kind != StepKind.PASS))
        behind[mine[1:]] = into[mine[:-1]] & (steps.kind[mine[1:]] == StepKind.SYNC_STREAM)
    work_ns = np.where(into, _at_pinned_rate(steps, CopyKind.PINNED_IN), steps.work_ns)
    work_ns = np.where(out, _at_pinned_rate(steps, CopyKind.PINNED_OUT), work_ns)
    pinned = replace(
        steps,
        own_ns=np.where(into | out, np.minimum(steps.own_ns, usual_ns), steps.own_ns),
        work_ns=work_ns,
        blocks=steps.blocks & ~into,
    )
    return _without(behind)(pinned)


def _at_pinned_rate(steps: Steps, like: CopyKind) -> Int64s:
    """How long each copy takes at the rate of the loop's pinned copies; as long as it took where there are none."""
    pinned = (steps.copy == like) & (steps.size_bytes > 0)
    if not pinned.any():
        return steps.work_ns
    ns_a_byte = float(np.median(steps.work_ns[pinned] / steps.size_bytes[pinned]))
    return np.minimum(steps.work_ns, (steps.size_bytes * ns_a_byte).astype(np.int64))


def _on_one_stream(steps: Steps) -> Steps:
    """Streams are numbered over all devices; those of one device become one."""
    device = steps.stream_device
    of_device = (steps.kind == StepKind.SYNC_DEVICE) | (steps.stream == NONE)
    stream = np.where(of_device, steps.stream, np.append(device, NONE)[steps.stream]).astype(np.int32)
    free_ns = np.zeros(int(device.max()) + 1, np.int64)
    np.maximum.at(free_ns, device, steps.free_ns)
    together = replace(
        steps,
        stream=stream,
        free_ns=free_ns,
        stream_device=np.arange(len(free_ns)),
        room_ns=np.zeros(len(steps), np.int64),
    )
    return _without(steps.kind == StepKind.GATE)(together)


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


def _without_work(chosen: Bools) -> Callable[[Steps], Steps]:
    """Without these launches and what they set going; what the threads did before them stays."""
    without, no_work = _without(chosen), _with_work(np.where(chosen, 0.0, 1.0))
    return lambda steps: without(no_work(steps))


def _with_less_before(share: NDArray[np.float64]) -> Callable[[Steps], Steps]:
    """Without this share of what threads did before their steps."""

    def edit(steps: Steps) -> Steps:
        return replace(steps, before_ns=(steps.before_ns * (1 - share)).astype(np.int64))

    return edit


def _without_nodes_on_cpu(timeline: Timeline, steps: Steps) -> Iterator[ChangedLoop]:
    """By the executions of such nodes where ORT's profile has them, else by the copies that ORT makes for them."""
    in_spans, in_copies = _in_executions(timeline, steps), _between_memcpy_nodes(timeline, steps)
    share, inside = in_spans if in_spans[0].any() else in_copies
    if share.any() or inside.any():
        less, without = _with_less_before(share), _without(inside)
        yield ChangedLoop(change=Change.NO_CPU_NODES, edit=lambda each: without(less(each)))


_Taken = tuple[NDArray[np.float64], Bools]
"""(share of what comes before each step, whether the step itself) that a change takes out."""


def _in_executions(timeline: Timeline, steps: Steps) -> _Taken:
    spans, rows = timeline.spans, runs_on_host(timeline)
    share, inside = np.zeros(len(steps)), np.zeros(len(steps), np.bool_)
    for lane in np.unique(steps.lane).tolist():
        mine = rows[spans.lane[rows] == lane]
        busy = union(spans.start_ns[mine], spans.end_ns[mine])
        on_lane = np.flatnonzero(steps.lane == lane)
        share[on_lane] = _share_before(steps, on_lane, busy)
        at = np.searchsorted(busy[0], steps.start_ns[on_lane], side="right") - 1
        inside[on_lane] = (at >= 0) & (steps.start_ns[on_lane] < np.append(busy[1], 0)[at])
    return share, inside & (steps.span != NONE)


def _between_memcpy_nodes(timeline: Timeline, steps: Steps) -> _Taken:
    """Stretches of steps on one thread that launch nothing but Memcpy nodes' copies: from the first of these to the
    last the thread computes nodes on the CPU. Before a copy to the host the GPU's nodes were still being launched."""
    memcpy, launches = _is_memcpy(timeline, steps), steps.kind == StepKind.LAUNCH
    share, inside = np.zeros(len(steps)), np.zeros(len(steps), np.bool_)
    for lane in np.unique(steps.lane[memcpy]).tolist():
        mine = np.flatnonzero((steps.lane == lane) & (steps.run != NONE))
        stretch = np.cumsum(launches[mine] & ~memcpy[mine])
        for _, rows in rows_by_value(stretch):
            copies = np.flatnonzero(memcpy[mine[rows]])
            if not len(copies):
                continue
            detour = mine[rows[copies[0] : copies[-1] + 1]]
            share[detour], inside[detour] = 1.0, steps.span[detour] != NONE
            if steps.copy[detour[0]] in (CopyKind.PAGEABLE_OUT, CopyKind.PINNED_OUT):
                share[detour[0]] = 0.0
    return share, inside


def _is_memcpy(timeline: Timeline, steps: Steps) -> Bools:
    """Which steps launch the copy of a Memcpy node."""
    return np.append(memcpy_nodes(timeline), False)[steps.node]


def _moves_elements(timeline: Timeline, steps: Steps) -> Bools:
    """Which steps launch the work of a node that computes nothing."""
    return np.append(moving_nodes(timeline), False)[steps.node]


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
    known = (steps.node != NONE) & (steps.kind == StepKind.LAUNCH)
    work_ns = np.bincount(steps.node[known], steps.work_ns[known], minlength=len(timeline.nodes))
    for dearest in np.argsort(-work_ns, kind="stable")[:MOST_NODES].tolist():
        if work_ns[dearest] > 0:
            factor = np.where(known & (steps.node == dearest), FASTER, 1.0)
            yield ChangedLoop(change=Change.FASTER_NODE, node=dearest, edit=_with_work(factor))
