"""Which runs had input shapes that no earlier run of their session had, by ORT's node events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.timeline import NONE, Int32s, Int64s, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShapes:
    """One entry for each run. Runs without ORT's profile have no shapes: no variant, and nothing new."""

    variant: Int64s
    """Runs of a session with equal variants had equal shapes, as far as the session's shapes vary; 0 for runs in which
    no node was seen whose shapes do."""
    first_seen: Int32s
    """The first execution of a node (a span) with shapes that it had in no earlier run, though it ran in one; NONE in
    all other runs."""


def compute_run_shapes(timeline: Timeline) -> RunShapes:
    """Compare the input shapes of each node with those it had in earlier runs."""
    variant = np.zeros(len(timeline.runs), np.int64)
    first_seen = np.full(len(timeline.runs), NONE, np.int32)
    executed = timeline.node_spans
    run = timeline.links.run[executed.span]
    rows = np.flatnonzero((run != NONE) & (executed.input_shapes != NONE))
    if not len(rows):
        return RunShapes(variant=variant, first_seen=first_seen)
    run, node = run[rows].astype(np.int64), executed.node[rows]
    shaped = node.astype(np.int64) << 32 | executed.input_shapes[rows]
    distinct, first, member = np.unique(shaped, return_index=True, return_inverse=True)
    shapes_of_node = np.bincount((distinct >> 32).astype(np.int64), minlength=len(timeline.nodes))
    varies = shapes_of_node[node] > 1
    first_run_of_node = np.full(len(timeline.nodes), np.iinfo(np.int64).max)
    np.minimum.at(first_run_of_node, node, run)
    is_new = varies & (run[first[member]] == run) & (first_run_of_node[node] < run)
    runs, at = np.unique(run[is_new], return_index=True)
    first_seen[runs] = executed.span[rows[np.flatnonzero(is_new)[at]]]
    in_run = np.unique(run[varies] * len(distinct) + member[varies])
    # A sum of random numbers, one for each node with each shapes, is equal for equal sets alone, or by a rare chance.
    numbers = np.random.default_rng(0).integers(1, 1 << 40, len(distinct))
    np.add.at(variant, in_run // len(distinct), numbers[in_run % len(distinct)])
    return RunShapes(variant=variant, first_seen=first_seen)
