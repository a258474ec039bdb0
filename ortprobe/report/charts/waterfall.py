"""From one time to another, step by step: bars that begin where the one above ends, so that one sees them add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from plotly import graph_objects as go

from ortprobe.report.charts.figures import NS_PER_MS, ROOM_FOR_TEXT, bar_height, shortened, styled
from ortprobe.report.run_wording import signed_ns
from ortprobe.units import format_ns

_TOTAL, _SHORTER, _LONGER = 5, 2, 1
"""Colours of the page's charts."""
_MOST_OF_LABEL = 64
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

    The steps must sum to the difference. Labels that are alike are told apart by a number.
    """
    before_ns, after_ns = before[1], after[1]
    assert before_ns + sum(step.difference_ns for step in steps) == after_ns
    reached_ns = list(accumulate((step.difference_ns for step in steps), initial=before_ns))
    order = _told_apart([before[0], *(shortened(step.label, _MOST_OF_LABEL) for step in steps), after[0]])
    bars = [
        _Bar(
            label=label,
            start_ns=start_ns,
            length_ns=step.difference_ns,
            text=signed_ns(step.difference_ns),
            key=step.key,
        )
        for label, start_ns, step in zip(order[1:-1], reached_ns, steps, strict=False)
    ]
    figure = go.Figure()
    _add_bars(figure, "takes longer", _LONGER, [bar for bar in bars if bar.length_ns > 0])
    _add_bars(figure, "takes less", _SHORTER, [bar for bar in bars if bar.length_ns <= 0])
    totals = ((order[0], before_ns), (order[-1], after_ns))
    _add_bars(
        figure,
        "in all",
        _TOTAL,
        [_Bar(label=label, start_ns=0, length_ns=time_ns, text=format_ns(time_ns)) for label, time_ns in totals],
    )
    figure.update_layout(barmode="overlay")
    figure.update_yaxes(categoryorder="array", categoryarray=order, autorange="reversed")
    low_ns, high_ns = min(0, *reached_ns), max(reached_ns)
    room_ns = _ROOM_FOR_STEP * (high_ns - low_ns) if low_ns < 0 else 0
    figure.update_xaxes(title="ms", range=[(low_ns - room_ns) / NS_PER_MS, ROOM_FOR_TEXT * max(1, high_ns) / NS_PER_MS])
    return styled(figure, bar_height(len(order)), legend=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    label: str
    start_ns: int
    length_ns: int
    """Less than nothing to the left."""
    text: str
    key: str = ""


def _add_bars(figure: go.Figure, name: str, color: int, bars: Sequence[_Bar]) -> None:
    figure.add_bar(
        y=[bar.label for bar in bars],
        base=[min(bar.start_ns, bar.start_ns + bar.length_ns) / NS_PER_MS for bar in bars],
        x=[abs(bar.length_ns) / NS_PER_MS for bar in bars],
        orientation="h",
        name=name,
        text=[bar.text for bar in bars],
        customdata=[bar.key for bar in bars],
        hovertemplate="%{y}: %{text}<extra></extra>",
        textposition="outside",
        meta={"color": color},
    )


def _told_apart(labels: Sequence[str]) -> list[str]:
    """Bars of one label would lie over each other."""
    seen: Counter[str] = Counter()
    found = []
    for label in labels:
        seen[label] += 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found
