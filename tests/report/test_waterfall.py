"""Bars from one time to another that add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ortprobe.report.charts.waterfall import Step, waterfall

_NAMES = st.sampled_from(["host", "node a", "before", "<b>"])


def bars(figure: Any) -> dict[str, tuple[float, float, str, str]]:
    """By label where each bar begins and ends, its text, and its key."""
    return {
        label: (base, base + length, text, key)
        for trace in figure["data"]
        for label, base, length, text, key in zip(
            *(trace[name] for name in ("y", "base", "x", "text", "customdata")), strict=True
        )
    }


@settings(deadline=None, max_examples=25)  # plotly checks every figure that it makes
@given(st.integers(0, 10**9), st.lists(st.tuples(_NAMES, st.integers(-(10**8), 10**8)), max_size=12))
def test_each_bar_begins_where_the_one_above_ends(before_ns: int, changes: list[tuple[str, int]]) -> None:
    after_ns = before_ns + sum(ns for _, ns in changes)
    steps = [Step(label=label, difference_ns=ns) for label, ns in changes]
    figure: Any = waterfall(("before", before_ns), ("after", after_ns), steps)
    order = figure["layout"]["yaxis"]["categoryarray"]
    drawn = bars(figure)
    assert len(order) == len(set(order)) == len(drawn) == len(steps) + 2
    reached_ns = before_ns
    for label, step in zip(order[1:-1], steps, strict=True):
        ends_ns = sorted((reached_ns, reached_ns + step.difference_ns))
        assert drawn[label][:2] == pytest.approx([ns / 1e6 for ns in ends_ns], abs=1e-6)
        reached_ns += step.difference_ns
    assert reached_ns == after_ns
    assert sorted(drawn[order[-1]][:2]) == pytest.approx(sorted((0, after_ns / 1e6)), abs=1e-6)


def test_bars_have_their_figures_keys_and_escaped_names() -> None:
    steps = [Step(label="<b>conv</b>", difference_ns=300_000, key="s5"), Step(label="host", difference_ns=-100_000)]
    drawn = bars(waterfall(("before", 1_000_000), ("after", 1_200_000), steps))
    assert drawn["&lt;b&gt;conv&lt;/b&gt;"][2:] == ("+300 µs", "s5")
    assert drawn["host"][2:] == ("−100 µs", "")
    assert drawn["after"][2] == "1.20 ms"
