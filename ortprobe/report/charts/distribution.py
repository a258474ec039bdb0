"""How latencies spread, traced and untraced."""

from __future__ import annotations

import numpy as np
from plotly import graph_objects as go

from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.figures import NS_PER_MS, drawable, log_ticks, styled
from ortprobe.report.run_wording import attached_text
from ortprobe.report.sayable import doubt
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import Int64s
from ortprobe.units import format_ns

_TITLE = "How latencies spread"
_MOST_POINTS = 500
"""Of one curve; those left out lie between drawn ones on the same curve."""
_LOGARITHMIC_FROM = 20
"""Slowest over fastest: from here on most of a linear axis would be empty."""
_DASHES = ("solid", "dash", "dot", "dashdot")
_COLORS = (2, 0, 3, 1)


def distribution_chart(judgement: Judgement) -> Chart:
    """For each way of tracing the share of runs that took up to each latency; without first runs and failed ones."""
    times = judgement.analyses.runs
    if unknown := doubt(judgement.analyses, Claim.LATENCY):
        return Chart("distribution", _TITLE, f"Latencies: {unknown}.", None)
    groups = _groups(times)
    if not groups:
        return Chart("distribution", _TITLE, "No run was captured but first ones and failed ones.", None)
    latency_ns = times.latency_ns[times.steady]
    figure = go.Figure()
    for number, (attached, rows) in enumerate(groups.items()):
        _add_curve(figure, times, attached, rows, number)
    if latency_ns.max() >= _LOGARITHMIC_FROM * drawable(latency_ns).min():
        figure.update_xaxes(title="ms, logarithmic", type="log", tickvals=log_ticks(latency_ns))
    else:
        figure.update_xaxes(title="ms")
    figure.update_yaxes(title="% of runs, up to", range=[0, 102])
    return Chart("distribution", _TITLE, _summary(times), styled(figure, 300, legend=True))


def _groups(times: RunTimes) -> dict[int, Int64s]:
    """Rows of steady runs by what was attached, the fastest first."""
    chosen = {value: np.flatnonzero(times.steady & (times.attached == value)) for value in _attached(times)}
    return {value: rows[np.argsort(times.latency_ns[rows], kind="stable")] for value, rows in chosen.items()}


def _attached(times: RunTimes) -> list[int]:
    return sorted(times.latency_by_attached)


def _add_curve(figure: go.Figure, times: RunTimes, attached: int, rows: Int64s, number: int) -> None:
    """A step up at each run; it begins at the fastest one, at 0 %."""
    count = len(rows)
    rank = np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(np.int64))
    shown = np.concatenate((rows[:1], rows[rank]))
    share = np.concatenate(([0], 100 * (rank + 1) / count))
    figure.add_scatter(
        x=(drawable(times.latency_ns[shown]) / NS_PER_MS).tolist(),
        y=share.round(3).tolist(),
        mode="lines",
        name=f"{_called(attached)} ({count:,})",
        line={"shape": "hv", "width": 2, "dash": _DASHES[number % len(_DASHES)]},
        customdata=[f"r{row}" for row in shown.tolist()],
        text=[f"run {row}, {format_ns(int(times.latency_ns[row]))}" for row in shown.tolist()],
        hovertemplate="%{text}: %{y:.1f} % of runs take up to this<extra></extra>",
        meta={"color": _COLORS[number % len(_COLORS)]},
    )


def _called(attached: int) -> str:
    return attached_text(attached) if attached else "not traced"


def _summary(times: RunTimes) -> str:
    parts = []
    for attached in _attached(times):
        spread = times.latency_by_attached[attached]
        tail = f", 95 % up to {format_ns(spread.p95_ns)}" if spread.p95_ns is not None else ""
        parts.append(f"{spread.count:,} × {_called(attached)}: half take up to {format_ns(spread.median_ns)}{tail}")
    return "; ".join(parts) + ". First runs are left out."
