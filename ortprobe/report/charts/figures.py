"""What all figures share: axes, bars, labels, and the form in which the page gets them. Colours are the page's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Literal

import numpy as np
from plotly import graph_objects as go

from ortprobe.timeline import Int64s
from ortprobe.units import format_ns

NS_PER_MS = 1e6
MOST_BARS = 20
ROOM_FOR_TEXT = 1.14
"""Bars end short of the edge, so that their figures fit beside them."""
_LEAST_DRAWN_NS = 500
"""ORT's profile counts whole microseconds, so a run can take 0 of them, which has no place on a logarithmic axis."""


def ranking(
    labels: Sequence[str], values_ns: Sequence[int], keys: Sequence[str], *, color: int
) -> Mapping[str, object]:
    """Horizontal bars in ms, the first on top; each leads to the mark of its key."""
    figure = go.Figure()
    figure.add_bar(
        x=[value / NS_PER_MS for value in values_ns],
        y=list(labels),
        orientation="h",
        text=[format_ns(value) for value in values_ns],
        customdata=list(keys),
        hovertemplate="%{y}: %{text}<extra></extra>",
        textposition="outside",
        meta={"color": color},
    )
    figure.update_xaxes(title="ms", range=[0, ROOM_FOR_TEXT * max(values_ns) / NS_PER_MS])
    figure.update_yaxes(autorange="reversed")
    return styled(figure, bar_height(len(labels)), legend=False)


def styled(
    figure: go.Figure, height: int, *, legend: bool, hovermode: Literal["closest", "x"] = "closest"
) -> Mapping[str, object]:
    """A finished figure of this height in pixels as plotly.js takes it, without colours. `x` picks the point above or
    below the pointer, however far."""
    figure.update_layout(
        template=None,
        height=height,
        margin={"l": 8, "r": 16, "t": 34 if legend else 8, "b": 40},
        showlegend=legend,
        legend={
            "orientation": "h",
            "y": 1,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        bargap=0.3,
        hovermode=hovermode,
        dragmode=False,
    )
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True)
    if figure.data[0].type == "bar":
        figure.update_yaxes(showgrid=False)
    figure.update_traces(cliponaxis=False, textfont={"size": 11}, selector={"type": "bar"})
    drawn: Mapping[str, object] = json.loads(figure.to_json())
    return drawn


def drawable(latency_ns: Int64s) -> Int64s:
    """Latencies in ns that have a place on a logarithmic axis."""
    return np.maximum(latency_ns, _LEAST_DRAWN_NS)


def log_ticks(values_ns: Int64s) -> list[float]:
    """1, 2 and 5 of each decade that the values touch, in ms."""
    drawn = drawable(values_ns)
    low, high = np.log10(drawn.min() / NS_PER_MS), np.log10(drawn.max() / NS_PER_MS)
    decades = range(int(np.floor(low)), int(np.floor(high)) + 2)
    return [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]


def bar_height(bars: int) -> int:
    """Pixels for so many horizontal bars."""
    return 70 + 22 * bars


def shortened(name: str, most: int = 48) -> str:
    """Names of nodes differ at their end. plotly reads tags in labels, so a name's own are escaped."""
    return escape(name if len(name) <= most else "…" + name[-most + 1 :], quote=False)
