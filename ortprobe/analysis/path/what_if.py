"""What a change would give: the loop replayed without a cause, as an interval, beside the replay of the loop as it is.

Each change is replayed twice: with the host as slow as the tracer made it, and without what tracing cost. Their ratios
to the unchanged loop, replayed likewise, are applied to the pace that untraced runs had; the interval spans both, and
is widened by how far the two replays of the unchanged loop are off. It says what the change gives, not whether it is
allowed: without a wait that orders a write and a read, the result may be wrong. Of waits that order nothing
(`NO_NEEDLESS_WAITS`) the races' analysis says that they can go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.idle.host_activity import HostActivity
from ortprobe.analysis.path.changes import Change, ChangedLoop, possible_changes
from ortprobe.analysis.path.dependencies import Dependencies, Latencies
from ortprobe.analysis.path.loop import Loop, find_loop
from ortprobe.analysis.path.loop_steps import build_steps
from ortprobe.analysis.path.replay import Replayed, replay
from ortprobe.analysis.path.steps import Steps
from ortprobe.analysis.path.tracing import Untraced, without_tracing
from ortprobe.analysis.races.wait_uses import WaitUse
from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.runs.spread import median_ns
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The loop with one change."""

    change: Change
    cause: IdleCause | None
    """Of NO_HOST_CAUSE."""
    node: int
    """Row in `Timeline.nodes`, of FASTER_NODE; NONE otherwise."""
    pace_ns: int
    """One run with all that is around it: untraced, where that was measured."""
    low_ns: int
    high_ns: int
    """Bounds of `pace_ns`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfs:
    """One loop of the program, as it is and with changes."""

    loop: Loop
    measured: Replayed
    """As the trace has it."""
    replayed: Replayed
    """The same, replayed without a change: how far it is off is the replay's error."""
    error: float
    """The greater of the two errors of pace and latency, as a share of what was measured."""
    untraced: Replayed | None
    """Replayed without what tracing cost; None without untraced runs."""
    cost_per_call_ns: int | None
    """What noting one call, operator or node is found to cost; None without untraced runs."""
    changes: tuple[WhatIf, ...]
    """What saves most first. Changes that there is nothing to change for are not among them."""

    def of_change(self, change: Change) -> WhatIf | None:
        """The loop with this change; None where there is nothing to change for it."""
        return next((each for each in self.changes if each.change is change), None)

    @property
    def pace_ns(self) -> int:
        """What the changes are to be compared with: the pace of untraced runs, else the traced loop's."""
        return self.loop.untraced_pace_ns or self.measured.pace_ns


def compute_what_ifs(
    timeline: Timeline,
    times: RunTimes,
    waits: WaitTimes,
    dependencies: Dependencies,
    activity: HostActivity,
    uses: Sequence[WaitUse],
) -> WhatIfs | None:
    """None where no loop was watched that could be replayed."""
    loop = find_loop(timeline, times)
    if loop is None:
        return None
    steps, latencies = build_steps(timeline, waits, dependencies, loop), dependencies.latencies
    measured = Replayed(pace_ns=loop.pace_ns, latency_ns=median_ns(times.latency_ns[loop.runs]) or 0)
    replayed, untraced = replay(steps, latencies, loop), without_tracing(steps, latencies, loop)
    error = max(_off(replayed.pace_ns, measured.pace_ns), _off(replayed.latency_ns, measured.latency_ns))
    untraced_error = _off(untraced.replayed.pace_ns, loop.untraced_pace_ns or 0) if untraced else 0.0
    trial = _Trial(
        loop=loop,
        latencies=latencies,
        steps=steps,
        replayed=replayed,
        untraced=untraced,
        error=max(error, untraced_error),
    )
    changes = [trial.of(changed) for changed in possible_changes(timeline, steps, activity, uses)]
    return WhatIfs(
        loop=loop,
        measured=measured,
        replayed=replayed,
        error=error,
        untraced=None if untraced is None else untraced.replayed,
        cost_per_call_ns=None if untraced is None else untraced.cost_ns,
        changes=tuple(sorted(changes, key=lambda each: each.pace_ns)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """What every change is tried on."""

    loop: Loop
    latencies: Latencies
    steps: Steps
    replayed: Replayed
    untraced: Untraced | None
    error: float

    def of(self, changed: ChangedLoop) -> WhatIf:
        """The changed loop's pace: without the tracer where that is known, and its bounds."""
        pace_ns = self.loop.untraced_pace_ns or self.loop.pace_ns
        shares = [self._share(changed, self.steps, self.replayed)]
        if self.untraced is not None:
            shares.append(self._share(changed, self.untraced.steps, self.untraced.replayed))
        return WhatIf(
            change=changed.change,
            cause=changed.cause,
            node=changed.node,
            pace_ns=round(pace_ns * shares[-1]),
            low_ns=round(pace_ns * min(shares) * (1 - self.error)),
            high_ns=round(pace_ns * max(shares) * (1 + self.error)),
        )

    def _share(self, changed: ChangedLoop, steps: Steps, replayed: Replayed) -> float:
        return replay(changed.edit(steps), self.latencies, self.loop).pace_ns / max(replayed.pace_ns, 1)


def _off(found_ns: int, measured_ns: int) -> float:
    return abs(found_ns / measured_ns - 1) if measured_ns else 0.0
