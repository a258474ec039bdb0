"""Replays a loop step by step: threads go on, streams work off what they are given, waits wait.

Each thread takes as long between its steps as it took, each piece of device work runs as long as it ran, and work
begins when its launch, its stream and the events in front of it let it, after the latencies measured in the capture; a
call that waited takes as long to return as it took. What the steps wait for is found anew, so a change shows with all
that follows from it. Work of several streams that ran at the same time took as long as it did because of that, and
takes as long in the replay. A queue that is full (1,024 launches) does not hold the host back here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.path.dependencies import Latencies
from ortprobe.analysis.path.loop import Loop
from ortprobe.analysis.path.steps import StepKind, Steps
from ortprobe.timeline import NONE, Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the loop takes."""

    pace_ns: int
    """One run with all that is around it."""
    latency_ns: int
    """Median from the begin of a run to its end."""


def replay(steps: Steps, latencies: Latencies, loop: Loop) -> Replayed:
    """Play the steps."""
    at_ns, done_ns = _play(steps, latencies, loop)
    marks = np.flatnonzero((steps.span == NONE) & (steps.run != NONE))
    # Each run has two marks, of which the first in time is its begin.
    by_run = marks[np.lexsort((marks, steps.run[marks]))].reshape(-1, 2)
    of_loop = np.isin(steps.run[by_run[:, 0]], loop.runs)
    latency_ns = (at_ns[by_run[:, 1]] - at_ns[by_run[:, 0]])[of_loop]
    return Replayed(
        pace_ns=(done_ns - loop.start_ns) // len(loop.runs),
        latency_ns=int(np.median(latency_ns)) if len(latency_ns) else 0,
    )


def _play(steps: Steps, latencies: Latencies, loop: Loop) -> tuple[Int64s, int]:
    """(when each step began, when everything was done). Plain lists: each step depends on the one before."""
    stream_ns, event_ns = latencies.stream_ns, latencies.event_ns
    free_ns = steps.free_ns.tolist()
    gate_ns = [0] * len(free_ns)
    streams_of: dict[int, list[int]] = {NONE: list(range(len(free_ns)))}
    for each, device in enumerate(steps.stream_device.tolist()):
        streams_of.setdefault(device, []).append(each)
    thread_ns = [loop.start_ns] * (int(steps.lane.max()) + 1)
    begun_ns = [0] * len(steps)
    ended_ns = [0] * len(steps)
    columns = (
        steps.kind, steps.lane, steps.before_ns, steps.own_ns, steps.stream, steps.work_ns, steps.latency_ns,
        steps.room_ns, steps.awaited, steps.blocks, steps.return_ns,
    )  # fmt: skip
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for index, (kind, lane, before, own, stream, work, latency, room, awaited, blocks, back) in enumerate(rows):
        now_ns = thread_ns[lane] + before
        begun_ns[index] = now_ns
        after_ns = now_ns + own
        if kind == StepKind.LAUNCH:
            start_ns = max(now_ns + latency, free_ns[stream] + stream_ns, gate_ns[stream]) + room
            free_ns[stream] = ended_ns[index] = start_ns + work
            if blocks:
                after_ns = max(after_ns, free_ns[stream] + back)
        elif kind == StepKind.SYNC_STREAM:
            if stream != NONE:
                after_ns = max(after_ns, free_ns[stream] + back if free_ns[stream] > now_ns else 0)
        elif kind == StepKind.SYNC_DEVICE:
            last_ns = max((free_ns[each] for each in streams_of[stream]), default=0)
            after_ns = max(after_ns, last_ns + back if last_ns > now_ns else 0)
        elif kind == StepKind.SYNC_WORK:
            if awaited != NONE and ended_ns[awaited] > now_ns:
                after_ns = max(after_ns, ended_ns[awaited] + back)
        elif kind == StepKind.GATE and NONE not in (stream, awaited):
            gate_ns[stream] = max(gate_ns[stream], ended_ns[awaited] + event_ns)
        thread_ns[lane] = after_ns
    own_end_ns = thread_ns[loop.lane]
    return np.array(begun_ns, np.int64), max([own_end_ns, *(end for end in ended_ns)])
