"""What findings cost, each moment of the program counted for one finding alone.

One slow second can be the fault of two things at once: a wait, and a host that prepares the next input only behind it.
Each finding says what it costs by itself; of two that were paid at the same time the one that comes first counts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ortprobe.analysis.busy import covered_ns
from ortprobe.rules.finding import Finding
from ortprobe.timeline import Int64s
from ortprobe.timeline.intervals import Intervals, total_ns, union

_NEVER: Int64s = np.empty(0, np.int64)


def stretches(bounds: Iterable[tuple[int, int]]) -> Intervals:
    """(start_ns, end_ns) pairs as sorted, disjoint stretches of time."""
    start_ns, end_ns = np.array(list(bounds), np.int64).reshape(-1, 2).T
    return union(start_ns, end_ns)


def count_once(findings: Sequence[Finding], runs: int) -> tuple[Finding, ...]:
    """The findings, in their order, with `own_cost_ns`, `counted_with` and `over_runs` filled in.

    A finding's cost is spread evenly over the time in which it was paid: what lies in time that was paid for earlier
    findings is theirs. `runs` are the runs of the capture.
    """
    counted: Intervals = (_NEVER, _NEVER)
    found: list[Finding] = []
    for finding in findings:
        paid = finding.paid
        shared = 0.0 if paid is None else _covered(paid, counted)
        found.append(
            replace(
                finding,
                over_runs=runs if finding.over_runs is None else finding.over_runs,
                own_cost_ns=None if finding.cost_ns is None else round(finding.cost_ns * (1 - shared)),
                counted_with=tuple(each.code for each in found if _overlaps(finding, each)) if shared else (),
            )
        )
        if finding.cost_ns and paid is not None:
            counted = union(np.concatenate((counted[0], paid[0])), np.concatenate((counted[1], paid[1])))
    return tuple(found)


def _covered(paid: Intervals, counted: Intervals) -> float:
    """The share of `paid` that lies in `counted`."""
    whole_ns = total_ns(paid)
    return int(covered_ns(counted, paid).sum()) / whole_ns if whole_ns else 0.0


def _overlaps(finding: Finding, earlier: Finding) -> bool:
    mine, theirs = finding.paid, earlier.paid
    return bool(earlier.cost_ns) and mine is not None and theirs is not None and _covered(mine, theirs) > 0
