"""How long nodes take on both sides, run by run, on the device and on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.bootstrap import Change, change_of
from ortprobe.analysis.comparison.node_matches import NodeMatch, NodePair
from ortprobe.analysis.comparison.run_changes import Sides
from ortprobe.analysis.comparison.session_matches import MatchedSession
from ortprobe.analysis.nodes.own_time import own_host_ns
from ortprobe.analysis.runs.run_times import ORT_AND_TORCH, TORCH_ALONE
from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.timeline import NONE, Bools, Int64s

FEWEST_RUNS = 3
"""Runs on each side that tell of nodes: fewer are no mean."""
MOST_RUNS = 500
"""Of a capture; its last ones. More tell nothing that these don't."""
WITH_INTERVAL = 20
"""So many nodes, those that differ most, get an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """A node, or several that do the same work, on both sides. Means over runs; None where nobody measured."""

    pair: NodePair
    device_before_ns: float | None
    device_after_ns: float | None
    host_before_ns: float | None
    """Its own host time, without nodes of its subgraphs. For a node on a GPU that is launching its work."""
    host_after_ns: float | None
    change: Change | None
    """Of the median over runs of `before_ns`; of the nodes that differ most, None for others and where one is 0."""

    @property
    def before_ns(self) -> float:
        """On the device where both sides know it, else on the host; 0 where it is not there."""
        return (self.device_before_ns if self.by_device else self.host_before_ns) or 0.0

    @property
    def after_ns(self) -> float:
        return (self.device_after_ns if self.by_device else self.host_after_ns) or 0.0

    @property
    def by_device(self) -> bool:
        """Whether it works on the device, as far as is known, on either side."""
        return bool(self.device_before_ns or self.device_after_ns)

    @property
    def more_ns(self) -> float:
        return self.after_ns - self.before_ns


def compute_node_changes(sides: Sides, session: MatchedSession, pairs: Sequence[NodePair]) -> tuple[NodeChange, ...]:
    """Of every pair, the largest difference first. Runs with the same attached are compared with one another."""
    device = _of_both(sides, session, pairs, (TORCH_ALONE, ORT_AND_TORCH), device_times, device_told)
    host = _of_both(sides, session, pairs, (ATTACHED_ORT_PROFILE, ORT_AND_TORCH), host_times, host_told)
    found = []
    for row, pair in enumerate(pairs):
        device_ns, host_ns = (_means(times, row) for times in (device, host))
        found.append(
            NodeChange(
                pair=pair,
                device_before_ns=device_ns[0],
                device_after_ns=device_ns[1],
                host_before_ns=host_ns[0],
                host_after_ns=host_ns[1],
                change=None,
            )
        )
    order = sorted(range(len(found)), key=lambda row: -abs(found[row].more_ns))
    return tuple(
        _with_interval(found[row], row, device if found[row].by_device else host)
        if place < WITH_INTERVAL
        else found[row]
        for place, row in enumerate(order)
    )


Times = tuple[list[Int64s], list[Int64s]]
"""Of each side, for each capture, shape (pairs, runs): the time of each pair in each run."""
TimesOf = Callable[[Analyses, Int64s, Int64s, int], Int64s]
ToldBy = Callable[[Analyses], Bools]


def _of_both(
    sides: Sides,
    session: MatchedSession,
    pairs: Sequence[NodePair],
    kinds: Sequence[int],
    times_of: TimesOf,
    told_by: ToldBy,
) -> Times | None:
    """The times under the first of the kinds of tracing that both sides have runs enough of; None without one."""
    if session.before is None or session.after is None:
        return None
    owners = session.before, session.after
    for attached in kinds:
        times: Times = ([], [])
        for number, (side, own) in enumerate(zip(sides, owners, strict=True)):
            for capture, (analyses, mine) in enumerate(zip(side, own.runs_of(side), strict=True)):
                owner = pair_of(analyses, pairs, number, capture)
                runs = analyses.runs
                chosen = np.flatnonzero(mine & runs.steady & (runs.attached == attached) & told_by(analyses))
                times[number].append(times_of(analyses, chosen[-MOST_RUNS:], owner, len(pairs)))
        if min(sum(each.shape[1] for each in side) for side in times) >= FEWEST_RUNS:
            return times
    return None


def device_told(analyses: Analyses) -> Bools:
    """Which runs had their device work watched, with its nodes."""
    return analyses.node_runs.counted


def host_told(analyses: Analyses) -> Bools:
    """Which runs are in ORT's profile."""
    return np.asarray(analyses.timeline.runs.run_span != NONE)


def pair_of(analyses: Analyses, pairs: Sequence[NodePair], side: int, capture: int) -> Int64s:
    """For each row of `Timeline.nodes` the pair it is in; NONE for nodes of other sessions."""
    found = np.full(len(analyses.timeline.nodes) + 1, NONE, np.int64)
    for number, pair in enumerate(pairs):
        for node in (pair.before, pair.after)[side]:
            found[list(node.rows[capture])] = number
    return found


def device_times(analyses: Analyses, runs: Int64s, pair_of: Int64s, pairs: int) -> Int64s:
    """Shape (pairs, runs): device time of the nodes of each pair in each of these runs."""
    found = analyses.node_runs
    return _summed(analyses, runs, pairs, (pair_of[found.node], found.run.astype(np.int64), found.device_ns))


def host_times(analyses: Analyses, runs: Int64s, pair_of: Int64s, pairs: int) -> Int64s:
    """Shape (pairs, runs): host time of the nodes of each pair in each of these runs."""
    timeline, executed = analyses.timeline, analyses.timeline.node_spans
    run = timeline.links.run[executed.span].astype(np.int64)
    return _summed(analyses, runs, pairs, (pair_of[executed.node], run, own_host_ns(timeline)))


def _summed(analyses: Analyses, runs: Int64s, pairs: int, rows: tuple[Int64s, Int64s, Int64s]) -> Int64s:
    """Rows are (pair, run, time)."""
    pair, run, time_ns = rows
    column = np.full(len(analyses.timeline.runs) + 1, NONE, np.int64)
    column[runs] = np.arange(len(runs))
    chosen = (pair != NONE) & (column[run] != NONE)
    found = np.zeros((pairs, len(runs)), np.int64)
    np.add.at(found, (pair[chosen], column[run[chosen]]), time_ns[chosen])
    return found


def _means(times: Times | None, row: int) -> tuple[float | None, float | None]:
    if times is None:
        return None, None
    before, after = (float(np.concatenate([each[row] for each in side]).mean()) for side in times)
    return before, after


def _with_interval(change: NodeChange, row: int, times: Times | None) -> NodeChange:
    if times is None or change.pair.match in (NodeMatch.ONLY_BEFORE, NodeMatch.ONLY_AFTER):
        return change
    before, after = ([each[row] for each in side] for side in times)
    return replace(change, change=change_of(before, after))
