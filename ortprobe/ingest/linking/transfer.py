"""Nodes for kernels of runs that ORT's profile did not see, from runs that did the same.

A run of the same session with exactly the same sequence of device work lends its nodes (measured on an H100: the
sequence of 234 kernels was the same in all ten runs, before and after a re-initialisation). Where only the kernels are
the same, the kernels get their nodes: the first run in each thread makes a stream of its own, and fills memory for it
(onnxruntime 1.31).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ortprobe.ingest.builder import Collected
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Runs

_BASE = 0x9E3779B97F4A7C15
"""Odd, so that its powers have inverses among the 64-bit numbers."""


def transfer_nodes(collected: Collected, runs: Runs, run: Int32s, node: Int32s, is_work: Bools) -> None:
    """Fill `node` for the launched device work `is_work` of runs without ORT's profile, in place."""
    spans = collected.spans
    work = np.flatnonzero(is_work & (run != NONE)).astype(np.int32)
    work = work[np.lexsort((spans.correlation[work], run[work]))]
    _lend(collected, runs, run, node, work)
    _lend(collected, runs, run, node, work[spans.kind[work] == Kind.KERNEL])


def _lend(collected: Collected, runs: Runs, run: Int32s, node: Int32s, work: Int32s) -> None:
    """`work`, sorted by run and launch, from the first profiled run with the same sequence to each that wants nodes."""
    if not len(work):
        return
    borders = np.searchsorted(run[work], np.arange(len(runs) + 1))
    first, count = borders[:-1], np.diff(borders)
    steps = _steps(collected, work)
    known = np.add.reduceat(np.append(node[work] != NONE, False), np.minimum(first, len(work)), dtype=np.int64)
    known[count == 0] = 0
    donors = np.flatnonzero(known > 0)
    takers = np.flatnonzero((known == 0) & (count > 0) & (runs.run_span == NONE))
    keys = np.stack((runs.session.astype(np.int64), count, _digests(steps, first, count)))
    donor = _first_equal(keys, donors, takers)
    takers, donor = takers[donor != NONE], donor[donor != NONE]
    taking, lending = _rows(first[takers], count[takers]), _rows(first[donor], count[takers])
    of_taker = np.repeat(np.arange(len(takers)), count[takers])
    differ = np.zeros(len(takers), np.bool_)
    differ[of_taker[steps[taking] != steps[lending]]] = True
    same = ~differ[of_taker]
    node[work[taking[same]]] = node[work[lending[same]]]


def _steps(collected: Collected, work: Int32s) -> Int64s:
    """A number for each piece of device work: the same for the same name and grid."""
    blocks = np.zeros(len(collected.spans), np.int64)
    blocks[collected.device_ops.span] = collected.device_ops.blocks
    of_blocks = np.unique(blocks[work], return_inverse=True)[1]
    return collected.spans.name[work].astype(np.int64) * (int(of_blocks.max()) + 1) + of_blocks


def _digests(steps: Int64s, first: Int64s, count: Int64s) -> Int64s:
    """A number for each run's sequence; equal ones are compared step by step before they are believed."""
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
