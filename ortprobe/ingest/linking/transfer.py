"""Nodes for kernels of runs that ORT's profile did not see, from runs that did the same.

A run of the same session with exactly the same sequence of device work lends its nodes (measured on an H100: the
sequence of 234 kernels was the same in all ten runs, before and after a re-initialisation). Where only the kernels are
the same, the kernels get their nodes: the first run in each thread makes a stream of its own, and fills memory for it
(onnxruntime 1.31). So do replays of a CUDA graph, which have a `model_run` without nodes.

Runs of which anything was lost neither lend nor borrow: what is left of two different ones can look the same. Nor do
runs with the same sequence from different nodes, as the branches of an If make them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ortprobe.ingest.linking.containment import containing, outermost
from ortprobe.ingest.watched import Watched
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, LinkedBy, Links, Timeline
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES

_BASE = 0x9E3779B97F4A7C15
"""Odd, so that its powers have inverses among the 64-bit numbers."""


def lend_nodes(timeline: Timeline) -> Links:
    """The links of a timeline, with nodes for the device work of runs that have none of their own."""
    spans, links, runs = timeline.spans, timeline.links, timeline.runs
    watched = Watched.of(timeline)
    whole = whole_runs(watched)
    work = watched.work[(links.run[watched.work] != NONE) & (links.launch[watched.work] != NONE)]
    work = work[whole[links.run[work]]]
    node = links.node.copy()
    without_nodes = (runs.execute_span == NONE)[links.run[work]]
    _lend(timeline, node, work, links.run[work], without_nodes)
    kernel = spans.kind[work] == Kind.KERNEL
    work, without_nodes = work[kernel], without_nodes[kernel]
    _lend(timeline, node, work, links.run[work], without_nodes)
    replayed = np.isin(links.launch[work], watched.named(GRAPH_LAUNCHES))
    _lend(timeline, node, work, _passes(timeline, work, replayed), replayed)
    lent = (node != NONE) & (links.node == NONE)
    node_by = np.where(lent, np.uint8(LinkedBy.SAME_SEQUENCE), links.node_by)
    return replace(links, node=node, node_by=node_by)


def _passes(timeline: Timeline, work: Int32s, replayed: Bools) -> Int64s:
    """A number for each pass over the nodes: the first run with CUDA graphs makes two, and replays the graph."""
    spans, launch = timeline.spans, timeline.links.launch[work]
    passes = outermost(spans, spans.of_kind(Kind.ORT_EXECUTE))
    of_launch = np.where(replayed, launch, containing(spans, passes, launch))
    both = np.stack((timeline.links.run[work], of_launch))
    return np.unique(both, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)


def whole_runs(watched: Watched) -> Bools:
    """Runs in which every launch has its work, and during which no work lacks its launch."""
    timeline = watched.timeline
    spans, links, runs = timeline.spans, timeline.links, timeline.runs
    whole = np.ones(len(runs), np.bool_)
    fruitless = links.run[watched.launches[watched.fruitless]]
    whole[fruitless[fruitless != NONE]] = False
    orphans = watched.work[links.launch[watched.work] == NONE]
    begun_ns, ended_ns = np.sort(spans.start_ns[orphans]), np.sort(spans.end_ns[orphans])
    begun = np.searchsorted(begun_ns, runs.end_ns, side="right")
    whole &= begun == np.searchsorted(ended_ns, runs.start_ns, side="left")
    return whole


def _lend(timeline: Timeline, node: Int32s, work: Int32s, unit: Int32s | Int64s, may_borrow: Bools) -> None:
    """Give the nodes of units of work, such as runs, to those units of the same session that did the same without any.

    Which unit each piece of `work` is of, and whether that may borrow, is given beside it. Fills `node`, in place.
    """
    order = np.lexsort((work, timeline.spans.correlation[work], unit))
    work, unit, may_borrow = work[order], unit[order], may_borrow[order]
    first = np.flatnonzero(np.concatenate((np.ones(min(len(unit), 1), np.bool_), unit[1:] != unit[:-1])))
    if not len(first):
        return
    count = np.diff(np.append(first, len(work)))
    steps = _steps(timeline, work)
    known = np.add.reduceat(node[work] != NONE, first, dtype=np.int64)
    session = timeline.runs.session[timeline.links.run[work[first]]].astype(np.int64)
    donors = np.flatnonzero(known > 0)
    takers = np.flatnonzero((known == 0) & may_borrow[first] & (session != NONE))
    keys = np.stack((session, count, _digests(steps, first, count)))
    agreed = _agreed(node[work], first, count, donors, _first_equal(keys, donors, donors))
    donor = _first_equal(keys, donors, takers)
    borrows = (donor != NONE) & agreed[donor]
    takers, donor = takers[borrows], donor[borrows]
    taking, lending = _rows(first[takers], count[takers]), _rows(first[donor], count[takers])
    same = ~_any_of(count[takers], steps[taking] != steps[lending])
    chosen = np.repeat(same, count[takers])
    node[work[taking[chosen]]] = node[work[lending[chosen]]]


def _agreed(nodes: Int32s, first: Int64s, count: Int64s, donors: NDArray[np.intp], leader: Int64s) -> Bools:
    """For each unit, whether it leads donors that all have its nodes. `leader` is that of each donor."""
    own, leads = _rows(first[donors], count[donors]), _rows(first[leader], count[donors])
    differs = _any_of(count[donors], nodes[own] != nodes[leads])
    agreed = np.ones(len(first), np.bool_)
    agreed[leader[differs]] = False
    return agreed


def _any_of(count: Int64s, flags: Bools) -> Bools:
    """For each of some stretches of `count` rows, one after another, whether any flag in it is set."""
    found = np.zeros(len(count), np.bool_)
    found[np.repeat(np.arange(len(count)), count)[flags]] = True
    return found


def _steps(timeline: Timeline, work: Int32s) -> Int64s:
    """A number for each piece of device work: the same for the same name and grid."""
    blocks = np.zeros(len(timeline.spans), np.int64)
    blocks[timeline.device_ops.span] = timeline.device_ops.blocks
    of_blocks = np.unique(blocks[work], return_inverse=True)[1]
    return timeline.spans.name[work].astype(np.int64) * (int(of_blocks.max()) + 1) + of_blocks


def _digests(steps: Int64s, first: Int64s, count: Int64s) -> Int64s:
    """A number for each unit's sequence; equal ones are compared step by step before they are believed."""
    powers = np.cumprod(np.full(int(count.max(initial=0)) + 1, _BASE, np.uint64))
    position = np.arange(len(steps)) - np.repeat(first, count)
    terms = (steps.astype(np.uint64) + np.uint64(1)) * powers[position]
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(terms)))
    digests: Int64s = (sums[first + count] - sums[first]).view(np.int64)
    return digests


def _first_equal(keys: Int64s, donors: NDArray[np.intp], takers: NDArray[np.intp]) -> Int64s:
    """For each taker the first donor with the same column of `keys`, or NONE."""
    both = np.concatenate((donors, takers))
    group = np.unique(keys[:, both], axis=1, return_inverse=True)[1].reshape(-1)
    first_donor = np.full(len(both), NONE, np.int64)
    first_donor[group[: len(donors)][::-1]] = donors[::-1]
    return np.asarray(first_donor[group[len(donors) :]], np.int64)


def _rows(first: Int64s, count: Int64s) -> Int64s:
    return np.arange(int(count.sum())) + np.repeat(first - np.cumsum(count) + count, count)
