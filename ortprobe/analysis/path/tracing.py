"""The loop as it would have gone without the tracer: what noting one call costs, found by replaying.

What is noted costs about the same each time, be it a CUDA call, a torch operator, a node or a hooked call: torch's
profiler alone makes a launch-bound run 1.4 to 1.8 times as long, and one that waits for the GPU 1.1 times (H100, torch
2.11). So host time is shortened by the same amount for each of them, by as much as makes the replay take what untraced
runs of the same line took.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ortprobe.analysis.path.dependencies import Latencies
from ortprobe.analysis.path.loop import Loop
from ortprobe.analysis.path.replay import Replayed, replay
from ortprobe.analysis.path.steps import Steps

MOST_COST_NS = 10_000
"""No capture was seen where a call cost more (3 to 8 µs in launch-bound loops on two H100 machines)."""
_LEAST_LEFT = 0.1
"""Of host time this share stays, whatever the tracer is found to cost: some of it was the program's own."""
_HALVINGS = 12
_AS_GOOD_AS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Untraced:
    """The loop without what tracing cost."""

    steps: Steps
    cost_ns: int
    """What noting one of them cost; 0 where the traced loop took no longer than the untraced one."""
    replayed: Replayed


def without_tracing(steps: Steps, latencies: Latencies, loop: Loop) -> Untraced | None:
    """None where no untraced runs say what the loop takes without the tracer."""
    if loop.untraced_pace_ns is None:
        return None
    if replay(steps, latencies, loop).pace_ns <= loop.untraced_pace_ns:
        return Untraced(steps=steps, cost_ns=0, replayed=replay(steps, latencies, loop))
    # Where the device sets the pace no cost of the host's makes a difference: the least that reaches it counts.
    fastest_ns = replay(_cheaper(steps, MOST_COST_NS), latencies, loop).pace_ns
    wanted_ns = max(loop.untraced_pace_ns, fastest_ns * (1 + _AS_GOOD_AS))
    low_ns, high_ns = 0, MOST_COST_NS
    for _ in range(_HALVINGS):
        middle_ns = (low_ns + high_ns) // 2
        if replay(_cheaper(steps, middle_ns), latencies, loop).pace_ns > wanted_ns:
            low_ns = middle_ns
        else:
            high_ns = middle_ns
    cost_ns, cheaper = high_ns, _cheaper(steps, high_ns)
    return Untraced(steps=cheaper, cost_ns=cost_ns, replayed=replay(cheaper, latencies, loop))


def _cheaper(steps: Steps, cost_ns: int) -> Steps:
    """Each step's host time less the cost of each call in it, first from what came before its own call."""
    cost = steps.calls.astype(np.int64) * cost_ns
    from_before = np.minimum(cost, (steps.before_ns * (1 - _LEAST_LEFT)).astype(np.int64))
    from_own = np.minimum(cost - from_before, (steps.own_ns * (1 - _LEAST_LEFT)).astype(np.int64))
    return replace(steps, before_ns=steps.before_ns - from_before, own_ns=steps.own_ns - from_own)
