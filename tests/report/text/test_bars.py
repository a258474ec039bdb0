from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ortprobe.report.text.bars import bar, cells_of

EIGHTHS = "▏▎▍▌▋▊▉█"


def eighths(drawn: str) -> int:
    return sum(EIGHTHS.index(cell) + 1 for cell in drawn)


@given(st.floats(0, 1), st.integers(1, 60))
def test_a_bar_is_as_long_as_its_share_to_an_eighth_of_a_cell(share: float, cells: int):
    drawn = bar(share, cells)
    assert len(drawn) <= cells
    assert bool(drawn) == (share > 0), "what is more than nothing is seen"
    assert abs(eighths(drawn) - share * cells * 8) <= 1
    assert set(drawn[:-1]) <= {"█"}


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=8), st.integers(0, 120))
def test_the_parts_of_a_whole_fill_it_and_are_less_than_a_cell_off(parts: list[int], cells: int):
    given_cells = cells_of(parts, cells)
    whole = sum(parts)
    if not whole:
        assert given_cells == [0] * len(parts)
        return
    assert sum(given_cells) == cells
    assert all(abs(has * whole - part * cells) < whole for has, part in zip(given_cells, parts, strict=True))
