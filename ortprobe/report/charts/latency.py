"""Latency of runs, one by one."""

from __future__ import annotations

import numpy as np
from plotly import graph_objects as go

from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.figures import NS_PER_MS, drawable, log_ticks, styled
from ortprobe.report.sayable import doubt
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import Bools, Int64s
from ortprobe.units import format_ns

_MOST_POINTS = 6_000
"""The browser draws each run as a shape of its own."""


def latency_chart(judgement: Judgement) -> Chart:
    """Each run at its latency, first runs and re-inits marked."""
    title = "Latency of each run"
    times, timeline = judgement.analyses.runs, judgement.analyses.timeline
    if not len(times.latency_ns):
        return Chart("latency", title, "No run was captured.", None)
    if unknown := doubt(judgement.analyses, Claim.LATENCY):
        return Chart("latency", title, f"Latencies: {unknown}.", None)
    drawn = _telling(times.latency_ns, times.index_in_session == 0)
    replaced = {s.index for s in timeline.sessions if s.replaces is not None}
    first = times.index_in_session == 0
    re_init = first & np.isin(timeline.runs.session, list(replaced))
    traced = times.attached != 0
    groups = (
        ("traced", traced & ~first, "circle", 0),
        ("not traced", ~traced & ~first, "circle-open", 2),
        ("first run of a session", first & ~re_init, "diamond", 3),
        ("first run after a re-init", re_init, "star", 1),
    )
    figure = go.Figure()
    for name, chosen, symbol, color in groups:
        rows = drawn[chosen[drawn]]
        if len(rows):
            figure.add_scatter(
                x=rows.tolist(),
                y=(drawable(times.latency_ns[rows]) / NS_PER_MS).tolist(),
                mode="markers",
                name=name,
                marker={"symbol": symbol, "size": 7 if symbol.startswith("circle") else 12},
                customdata=[f"r{row}" for row in rows.tolist()],
                text=[format_ns(int(times.latency_ns[row])) for row in rows.tolist()],
                hovertemplate="run %{x}: %{text}<extra></extra>",
                meta={"color": color},
            )
    figure.update_xaxes(title="run", range=[-0.7, len(times.latency_ns) - 0.3], tickformat="d")
    figure.update_yaxes(title="ms, logarithmic", type="log", tickvals=log_ticks(times.latency_ns[drawn]))
    summary = f"First run {format_ns(times.first_ns)}, median of the later ones {format_ns(times.median_ns)}"
    if times.latency.p99_ns is not None:
        summary += f", 99th percentile {format_ns(times.latency.p99_ns)}"
    if len(drawn) < len(times.latency_ns):
        summary += f"; {len(drawn):,} of {len(times.latency_ns):,} runs are drawn, first and slowest ones among them"
    return Chart("latency", title, summary + ".", styled(figure, 300, legend=True))


def _telling(latency_ns: Int64s, first: Bools) -> Int64s:
    """Rows of the runs to draw: all, or the first ones of sessions, the slowest, and some evenly between them."""
    count, share = len(latency_ns), _MOST_POINTS // 3
    if count <= _MOST_POINTS:
        return np.arange(count)
    slowest = np.argsort(-latency_ns, kind="stable")[:share]
    return np.unique(np.concatenate((np.flatnonzero(first)[:share], slowest, np.arange(0, count, 1 + count // share))))
