"""Whether the inputs of a session go on having sizes that they never had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.sessions.given_buffers import Buffer
from ortprobe.analysis.sessions.run_shapes import compute_run_shapes
from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.timeline import NONE, Bools, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSizes:
    """The runs of one session whose input sizes are known, in time order: by the bytes of what was bound or handed
    over, or by the shapes that ORT's profile has, whichever is known of more of them."""

    session: int
    runs: Int64s
    """Rows in `Timeline.runs`."""
    is_new: Bools
    """For each of them, whether no earlier one had the same; of the first it is not said."""

    @property
    def distinct(self) -> int:
        return int(self.is_new.sum()) + 1 if len(self.runs) else 0


_Sizes = frozenset[tuple[int, int]]
"""Names of inputs, as indices in `Timeline.names`, and their bytes."""


def compute_input_sizes(timeline: Timeline, given: Mapping[int, Sequence[Buffer]]) -> tuple[InputSizes, ...]:
    """One for each session that has runs; `given`: what each run was given."""
    bytes_of_run = {run: sizes for run, buffers in given.items() if (sizes := _sizes(buffers))}
    shapes = compute_run_shapes(timeline)
    profiled = (timeline.runs.attached & ATTACHED_ORT_PROFILE) != 0
    found = []
    for session, rows in rows_by_value(timeline.runs.session):
        if session == NONE:
            continue
        by_bytes = np.array([run for run in rows.tolist() if run in bytes_of_run], np.int64)
        by_shapes = rows[profiled[rows] & (timeline.runs.execute_span[rows] != NONE)]
        if len(by_bytes) >= len(by_shapes):
            runs, is_new = by_bytes, _first_times([bytes_of_run[run] for run in by_bytes.tolist()])
        else:
            runs, is_new = by_shapes, shapes.first_seen[by_shapes] != NONE
        found.append(InputSizes(session=session, runs=runs, is_new=np.asarray(is_new, np.bool_)))
    return tuple(found)


def _sizes(buffers: Sequence[Buffer]) -> _Sizes:
    return frozenset((each.name, each.size_bytes) for each in buffers if not each.is_output)


def _first_times(values: Sequence[_Sizes]) -> Bools:
    seen = set(values[:1])
    is_new = np.zeros(len(values), np.bool_)
    for row, value in enumerate(values):
        is_new[row] = value not in seen
        seen.add(value)
    return is_new
