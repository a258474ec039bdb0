"""Sparklines are true to their figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.report.text.sparkline import BLOCKS, MISSING, Scale, greatest_by_column, scale_of, sparkline

FIGURES = st.floats(0, 1e300)
VALUES = st.lists(FIGURES | st.just(float("nan")), max_size=200).map(np.array)


def drawn(values: np.ndarray) -> str:
    scale = scale_of(values)
    return "" if scale is None else sparkline(values, scale)


def levels(line: str) -> list[int]:
    return [BLOCKS.index(block) for block in line if block != MISSING]


def test_no_figures_have_no_scale_and_no_blocks():
    assert scale_of(np.array([])) is None
    assert scale_of(np.array([np.nan])) is None
    assert sparkline(np.array([]), Scale(low=0, high=1)) == ""


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([5], "█"),
        ([0], "▁"),
        ([0, 0], "▁▁"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([7, np.nan, 0], "█ ▁"),
        ([6.9, 7], "▇█"),
        ([0.9, 7], "▁█"),
    ],
)
def test_lines_that_can_be_read_off(values, line):
    assert drawn(np.array(values, float)) == line


@given(VALUES)
def test_a_block_for_each_figure_and_a_blank_for_what_is_missing(values):
    line = drawn(values)
    assert len(line) == (0 if scale_of(values) is None else len(values))
    assert [block == MISSING for block in line] == np.isnan(values)[: len(line)].tolist()


@given(VALUES)
def test_the_highest_block_is_only_where_the_greatest_figure_is(values):
    line = drawn(values)
    known = values[~np.isnan(values)]
    greatest = known.max(initial=0)
    expected = [bool(greatest > 0 and value == greatest) for value in known]
    assert [level == len(BLOCKS) - 1 for level in levels(line)] == expected
    assert all(level == 0 for level, value in zip(levels(line), known, strict=True) if value == 0)


@given(VALUES)
def test_what_is_higher_is_never_drawn_lower(values):
    known = np.sort(values[~np.isnan(values)])
    line = levels(drawn(known))
    assert line == sorted(line)


@given(VALUES)
def test_a_linear_block_is_at_most_one_step_off(values):
    scale = scale_of(values)
    if scale is None or scale.logarithmic or not scale.high:
        return
    known = values[~np.isnan(values)]
    for level, value in zip(levels(sparkline(values, scale)), known, strict=True):
        assert abs(level - 7 * (value / scale.high)) <= 1 + 1e-9


def test_a_figure_that_dwarfs_the_others_makes_the_scale_logarithmic():
    scale = scale_of(np.array([1000.0, 1, 1, 2, 10]))
    assert scale == Scale(low=1, high=1000, logarithmic=True)
    assert sparkline(np.array([1000.0, 1, 1, 2, 10, 100]), scale) == "█▁▁▁▃▅"
    assert scale_of(np.array([1000.0, 900, 1])) == Scale(low=0, high=1000)


@given(VALUES, st.integers(1, 120))
def test_columns_hold_the_greatest_of_stretches_that_are_as_long(values, columns):
    found = greatest_by_column(values, columns)
    assert len(found) == min(columns, len(values))
    edges = [len(values) * column // max(1, len(found)) for column in range(len(found) + 1)]
    for value, first, last in zip(found, edges, edges[1:], strict=False):
        assert last - first in (len(values) // len(found), -(-len(values) // len(found)))
        known = values[first:last][~np.isnan(values[first:last])]
        assert value == known.max() if len(known) else np.isnan(value)
