"""From one time to another, step by step: bars that begin where the one above ends, so that one sees them add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from plotly import graph_objects as go

from ortprobe.report.charts.figures import NS_PER_MS, ROOM_FOR_TEXT, bar_height, styled
from ortprobe.report.run_wording import signed_ns
from ortprobe.units import format_ns

_TOTAL, _SHORTER, _LONGER = 5, 2, 1
"""Colours of the page's charts."""
_ROOM_FOR_STEP = 0.08
"""Of the whole axis, what a figure beside a bar may stick out to the left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of the way from one time to the other."""

    label: str
    difference_ns: int
    key: str = ""
    """The mark to show for it; empty where there is none."""


def waterfall(before: tuple[str, int], after: tuple[str, int], steps: Sequence[Step]) -> Mapping[str, object]:
    """Two times by name, in ns, and the steps that lead from the first to the second, in their order.

    The steps must sum to the difference.
    """
    (before_label, before_ns), (after_label, after_ns) = before, after
    assert before_ns + sum(step.difference_ns for step in steps) == after_ns
    reached_ns = list(accumulate((step.difference_ns for step in steps), initial=before_ns))
    figure = go.Figure()
    for name, color, chosen in (
        ("takes longer", _LONGER, [each.difference_ns > 0 for each in steps]),
        ("takes less", _SHORTER, [each.difference_ns <= 0 for each in steps]),
    ):
        mine = [(step, start_ns) for step, start_ns, of_kind in zip(steps, reached_ns, chosen, strict=False) if of_kind]
        _add_bars(
            figure,
            name,
            color,
            [
                (step.label, start_ns, step.difference_ns, signed_ns(step.difference_ns), step.key)
                for step, start_ns in mine
            ],
        )
    totals = [
        (before_label, 0, before_ns, format_ns(before_ns), ""),
        (after_label, 0, after_ns, format_ns(after_ns), ""),
    ]
    _add_bars(figure, "the whole run", _TOTAL, totals)
    order = [before_label, *(step.label for step in steps), after_label]
    figure.update_layout(barmode="overlay")
    figure.update_yaxes(categoryorder="array", categoryarray=order, autorange="reversed")
    low_ns, high_ns = min(0, *reached_ns), max(reached_ns)
    room_ns = _ROOM_FOR_STEP * (high_ns - low_ns) if low_ns < 0 else 0
    figure.update_xaxes(title="ms", range=[(low_ns - room_ns) / NS_PER_MS, ROOM_FOR_TEXT * max(1, high_ns) / NS_PER_MS])
    return styled(figure, bar_height(len(order)), legend=True)


def _add_bars(figure: go.Figure, name: str, color: int, bars: Sequence[tuple[str, int, int, str, str]]) -> None:
    """(label, where it begins, length, text, key) of each; times in ns."""
    figure.add_bar(
        y=[label for label, *_ in bars],
        base=[min(start_ns, start_ns + length_ns) / NS_PER_MS for _, start_ns, length_ns, *_ in bars],
        x=[abs(length_ns) / NS_PER_MS for _, _, length_ns, *_ in bars],
        orientation="h",
        name=name,
        text=[text for *_, text, _ in bars],
        customdata=[key for *_, key in bars],
        hovertemplate="%{y}: %{text}<extra></extra>",
        textposition="outside",
        meta={"color": color},
    )
