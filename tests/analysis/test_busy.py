from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.analysis.busy import busy_by_group, covered_ns
from ortprobe.timeline.intervals import union

INTERVALS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 20)), max_size=20)


def columns(rows: list[tuple[int, ...]]) -> list[np.ndarray]:
    return list(np.array(rows, np.int64).reshape(-1, 3).T)


@given(INTERVALS)
def test_busy_time_of_each_group_is_its_number_of_covered_ticks(rows):
    group, start, length = columns(rows)
    busy = busy_by_group(group.astype(np.int32), start, start + length, 4)
    ticks = [
        {tick for own, low, count in rows if own == wanted for tick in range(low, low + count)} for wanted in range(4)
    ]
    assert busy.tolist() == [len(each) for each in ticks]


@given(INTERVALS, INTERVALS)
def test_coverage_of_each_stretch_is_its_number_of_covered_ticks(covering, stretches):
    _, start, length = columns(covering)
    _, low, count = columns(stretches)
    covered = covered_ns(union(start, start + length), (low, low + count))
    busy = {tick for _, at, size in covering for tick in range(at, at + size)}
    assert covered.tolist() == [len(busy & set(range(at, at + size))) for _, at, size in stretches]
