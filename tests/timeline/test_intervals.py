"""Interval arithmetic against brute force."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from ortprobe.timeline import NONE
from ortprobe.timeline.intervals import clip, gaps, innermost_containing, sticking_out, total_ns, union

SPAN = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))
SPANS = st.lists(SPAN, max_size=12)


def columns(spans):
    table = np.array(spans, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def ticks(spans):
    return {tick for start, end in spans for tick in range(start, end)}


def as_spans(intervals):
    return list(zip(intervals[0].tolist(), intervals[1].tolist(), strict=True))


@given(SPANS)
def test_union_covers_the_same_time_in_disjoint_sorted_pieces(spans):
    joined = as_spans(union(*columns(spans)))
    assert ticks(joined) == ticks(spans)
    assert all(before[1] < after[0] for before, after in pairwise(joined))


@given(SPANS, SPAN)
def test_gaps_and_busy_partition_the_window(spans, window):
    busy = union(*columns(spans))
    free = as_spans(gaps(busy, *window))
    assert ticks(free) == ticks([window]) - ticks(spans)
    assert total_ns(gaps(busy, *window)) + total_ns(clip(busy, *window)) == window[1] - window[0]


@st.composite
def nested(draw, low=0, high=64, depth=3):
    """Sorted spans of one thread: each lies inside its parent, siblings follow one another."""
    spans = []
    at = low
    while at < high and draw(st.booleans()):
        start = draw(st.integers(at, high))
        end = draw(st.integers(start, high))
        spans.append((start, end))
        if depth and end > start:
            spans += draw(nested(start, end, depth - 1))
        at = end
    return spans


@given(nested(), st.lists(st.integers(-2, 66), max_size=10))
def test_innermost_containing_finds_the_last_opened_span_around_each_point(spans, points):
    spans = sorted(spans, key=lambda span: (span[0], -span[1]))
    found = innermost_containing(*columns(spans), np.array(points, np.int64))
    for point, index in zip(points, found.tolist(), strict=True):
        around = [number for number, (start, end) in enumerate(spans) if start <= point < end]
        assert index == (around[-1] if around else NONE)


@given(SPANS, st.integers(0, 90))
def test_of_spans_that_do_not_nest_the_one_that_started_last_counts(spans, point):
    ordered = sorted(spans, key=lambda span: (span[0], -span[1]))
    inside = [row for row, (start, end) in enumerate(ordered) if start <= point < end]
    found = innermost_containing(*columns(ordered), np.array([point]))
    assert found.tolist() == [max(inside, default=NONE)]


@example([(17, 37), (36, 38), (36, 40)], 1)
@given(SPANS, st.integers(0, 3))
def test_something_sticks_out_exactly_where_two_spans_cross(spans, slack):
    ordered = sorted({span for span in spans if span[1] > span[0]}, key=lambda span: (span[0], -span[1]))
    crossing = [
        (one, other)
        for one in ordered
        for other in ordered
        if one[0] < other[0] and min(one[1] - other[0], other[1] - one[1]) > slack
    ]
    marked = sticking_out(*columns(ordered), slack)
    if not slack:
        assert marked.any() == bool(crossing)
    if marked.any():
        assert crossing
