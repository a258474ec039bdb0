"""Figures over aggregates, built with plotly and drawn by the page. Colours are the page's, which knows its theme."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from plotly import graph_objects as go

from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.nodes.node_times import NodeTime, NodeTimes
from ortprobe.analysis.sessions.creations import Phase
from ortprobe.analysis.sessions.session_lives import SessionLife, SessionLives
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.sayable import doubt, stated_nodes
from ortprobe.report.wording import CAUSE_LABELS
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import Bools, Int64s, Session
from ortprobe.units import format_ns

TRACE_TYPES = frozenset({"bar", "scatter"})
"""All that these figures use, which is what the page's plotly bundle must draw."""

_TOP = 20
_MOST_POINTS = 6_000
"""The browser draws each run as a shape of its own."""
_LEAST_DRAWN_NS = 500
"""ORT's profile counts whole microseconds, so a run can take 0 of them, which has no place on a logarithmic axis."""
_NS_PER_MS = 1e6
_ROOM_FOR_TEXT = 1.14
"""Bars end short of the edge, so that their figures fit beside them."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with its words; `figure` is None when there is nothing to draw, and `summary` says why."""

    key: str
    title: str
    summary: str
    """What to read off it, for people who can't see it too."""
    figure: Mapping[str, object] | None


def build_charts(judgement: Judgement) -> tuple[Chart, ...]:
    """The page's charts in order."""
    return (
        _latency(judgement),
        _idle(judgement),
        _sessions(judgement.analyses.sessions),
        _op_types(stated_nodes(judgement.analyses)),
        _nodes(judgement),
    )


def _latency(judgement: Judgement) -> Chart:
    title = "Latency of each run"
    times, timeline = judgement.analyses.runs, judgement.analyses.timeline
    if not len(times.latency_ns):
        return Chart("latency", title, "No run was captured.", None)
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
                y=(_drawable(times.latency_ns[rows]) / _NS_PER_MS).tolist(),
                mode="markers",
                name=name,
                marker={"symbol": symbol, "size": 7 if symbol.startswith("circle") else 12},
                customdata=[f"r{row}" for row in rows.tolist()],
                text=[format_ns(int(times.latency_ns[row])) for row in rows.tolist()],
                hovertemplate="run %{x}: %{text}<extra></extra>",
                meta={"color": color},
            )
    figure.update_xaxes(title="run", range=[-0.7, len(times.latency_ns) - 0.3], tickformat="d")
    figure.update_yaxes(title="ms, logarithmic", type="log", tickvals=_log_ticks(times.latency_ns[drawn]))
    summary = f"First run {format_ns(times.first_ns)}, median of the later ones {format_ns(times.median_ns)}"
    if times.latency.p99_ns is not None:
        summary += f", 99th percentile {format_ns(times.latency.p99_ns)}"
    if len(drawn) < len(times.latency_ns):
        summary += f"; {len(drawn):,} of {len(times.latency_ns):,} runs are drawn, first and slowest ones among them"
    return Chart("latency", title, summary + ".", _styled(figure, 300, legend=True))


def _idle(judgement: Judgement) -> Chart:
    title = "Why the GPU had nothing to do"
    devices = judgement.analyses.idle.devices
    if not devices:
        return Chart("idle", title, "No GPU trace in this capture, so nothing is known about idle time.", None)
    if unknown := doubt(judgement.analyses, Claim.IDLE):
        return Chart("idle", title, f"Busy and idle time: {unknown}.", None)
    figure, causes = _idle_bars(devices)
    shares = [
        f"GPU {device.device} was idle {format_ns(device.idle_ns)} of {format_ns(device.window_ns)}"
        for device in devices
    ]
    height = _bar_height(causes * len(devices))
    return Chart("idle", title, "; ".join(shares) + ".", _styled(figure, height, legend=len(devices) > 1))


def _idle_bars(devices: Sequence[DeviceIdle]) -> tuple[go.Figure, int]:
    """(bars of idle time by cause and device, how many causes)."""
    causes = [cause for cause in IdleCause if any(device.idle_by_cause.get(cause) for device in devices)]
    causes.sort(key=lambda cause: sum(device.idle_by_cause.get(cause, 0) for device in devices))
    figure, first_piece = go.Figure(), 0
    for number, device in enumerate(devices):
        values = [device.idle_by_cause.get(cause, 0) for cause in causes]
        figure.add_bar(
            x=[value / _NS_PER_MS for value in values],
            y=[CAUSE_LABELS[cause] for cause in causes],
            orientation="h",
            name=f"GPU {device.device}",
            text=[format_ns(value) for value in values],
            customdata=[_longest_piece(device, cause, first_piece) for cause in causes],
            hovertemplate="%{y}: %{text}<extra></extra>",
            textposition="outside",
            meta={"color": number},
        )
        first_piece += len(device.columns.piece_gap)
    figure.update_layout(barmode="group")
    most_ns = max(device.idle_by_cause.get(cause, 0) for device in devices for cause in causes) if causes else 1
    figure.update_xaxes(title="ms", range=[0, _ROOM_FOR_TEXT * most_ns / _NS_PER_MS])
    return figure, len(causes)


def _longest_piece(device: DeviceIdle, cause: IdleCause, first_piece: int) -> str:
    """The key of the longest idle piece with this cause; pieces are numbered across all devices."""
    columns = device.columns
    rows = np.flatnonzero(columns.piece_cause == CAUSES.index(cause))
    length_ns = columns.piece_end_ns[rows] - columns.piece_start_ns[rows]
    return f"i{first_piece + int(rows[np.argmax(length_ns)])}" if len(rows) else ""


def _op_types(times: NodeTimes) -> Chart:
    nodes, by_device = times.nodes, times.by_device
    title = "GPU time by op type" if by_device else "Host time by op type"
    total: Counter[str] = Counter()
    shown_by: dict[str, NodeTime] = {}
    for node in nodes:
        total[node.op_type] += _node_ns(node, by_device=by_device)
        shown_by.setdefault(node.op_type, node)
    top = [(op_type, ns) for op_type, ns in total.most_common(_TOP) if ns]
    if not top:
        return Chart("op-types", title, "No ONNX node has measured time in this capture.", None)
    keys = [f"s{shown_by[op_type].first_span}" for op_type, _ in top]
    whole = sum(total.values())
    summary = f"{top[0][0]} takes {100 * top[0][1] / whole:.0f} % of {format_ns(whole)}."
    return Chart(
        "op-types", title, summary, _ranking([_shortened(op) for op, _ in top], [ns for _, ns in top], keys, color=2)
    )


def _nodes(judgement: Judgement) -> Chart:
    times, sessions = stated_nodes(judgement.analyses), judgement.analyses.timeline.sessions
    title = "The dearest nodes on the GPU" if times.by_device else "The dearest nodes on the host"
    total: Counter[tuple[int, str]] = Counter()
    shown_by: dict[tuple[int, str], NodeTime] = {}
    for node in times.nodes:
        place = (_first_of(sessions, node.session), node.name)
        total[place] += _node_ns(node, by_device=times.by_device)
        shown_by.setdefault(place, node)
    top = [(place, ns) for place, ns in total.most_common(_TOP) if ns]
    if not top:
        return Chart("nodes", title, "No ONNX node has measured time in this capture.", None)
    several = len({session for session, _ in total}) > 1
    labels = [_shortened(name) + (f" · session {session}" if several else "") for (session, name), _ in top]
    keys = [f"s{shown_by[place].first_span}" for place, _ in top]
    summary = f"The {len(top)} dearest of {len(total):,} nodes, summed over all runs, those after a re-init included."
    return Chart("nodes", title, summary, _ranking(labels, [ns for _, ns in top], keys, color=0))


def _first_of(sessions: Sequence[Session], index: int) -> int:
    """The session that this one, or those before it, replaced: they run the same model."""
    while 0 <= index < len(sessions) and (replaced := sessions[index].replaces) is not None:
        index = replaced
    return index


def _sessions(sessions: SessionLives) -> Chart:
    lives = sessions.lives
    title = "What each session cost before it ran steadily"
    if not lives:
        return Chart("sessions", title, "No session was created in this capture.", None)
    parts = (
        ("load", [life.phase_ns(Phase.LOAD) for life in lives], 3),
        ("initialise", [life.phase_ns(Phase.INITIALIZE) for life in lives], 0),
        ("setting up providers", [life.phase_ns(Phase.PROVIDERS) for life in lives], 5),
        ("rest of creation", [_rest_ns(life) for life in lives], 4),
        ("first runs above steady ones", [life.first_runs.excess_ns for life in lives], 1),
    )
    labels = [f"session {life.session.index}" + (" ↻" if life.session.replaces is not None else "") for life in lives]
    if not any(value for _, values, _ in parts for value in values):
        return Chart("sessions", title, "Neither creation nor first runs were measured.", None)
    figure = go.Figure()
    for name, values, color in parts:
        figure.add_bar(
            x=[(value or 0) / _NS_PER_MS for value in values],
            y=labels,
            orientation="h",
            name=name,
            text=[format_ns(value) if value else "" for value in values],
            hovertext=[f"{name}: {format_ns(value)}" for value in values],
            hovertemplate="%{y}, %{hovertext}<extra></extra>",
            customdata=[f"c{life.session.index}" for life in lives],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            meta={"color": color},
        )
    figure.update_layout(barmode="stack", uniformtext={"mode": "hide", "minsize": 11})
    figure.update_xaxes(title="ms")
    figure.update_yaxes(autorange="reversed")
    summary = "One session, never built again."
    if len(lives) > 1:
        summary = f"{sessions.created} sessions, {sessions.re_inits} of them re-initialisations (↻)."
    return Chart("sessions", title, summary, _styled(figure, 110 + 34 * min(len(lives), 30), legend=True))


def _rest_ns(life: SessionLife) -> int | None:
    """Before loading and after initialising; the whole creation where its phases are not known."""
    if life.creation is None or life.creation.phases is None:
        return life.creation_ns
    return sum(life.phase_ns(phase) or 0 for phase in (Phase.BEFORE, Phase.AFTER))


def _telling(latency_ns: Int64s, first: Bools) -> Int64s:
    """Rows of the runs to draw: all, or the first ones of sessions, the slowest, and some evenly between them."""
    count, share = len(latency_ns), _MOST_POINTS // 3
    if count <= _MOST_POINTS:
        return np.arange(count)
    slowest = np.argsort(-latency_ns, kind="stable")[:share]
    return np.unique(np.concatenate((np.flatnonzero(first)[:share], slowest, np.arange(0, count, 1 + count // share))))


def _drawable(latency_ns: Int64s) -> Int64s:
    return np.maximum(latency_ns, _LEAST_DRAWN_NS)


def _log_ticks(values_ns: Int64s) -> list[float]:
    """1, 2 and 5 of each decade that the values touch, in ms."""
    drawn = _drawable(values_ns)
    low, high = np.log10(drawn.min() / _NS_PER_MS), np.log10(drawn.max() / _NS_PER_MS)
    decades = range(int(np.floor(low)), int(np.floor(high)) + 2)
    return [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]


def _ranking(
    labels: Sequence[str], values_ns: Sequence[int], keys: Sequence[str], *, color: int
) -> Mapping[str, object]:
    figure = go.Figure()
    figure.add_bar(
        x=[value / _NS_PER_MS for value in values_ns],
        y=list(labels),
        orientation="h",
        text=[format_ns(value) for value in values_ns],
        customdata=list(keys),
        hovertemplate="%{y}: %{text}<extra></extra>",
        textposition="outside",
        meta={"color": color},
    )
    figure.update_xaxes(title="ms", range=[0, _ROOM_FOR_TEXT * max(values_ns) / _NS_PER_MS])
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, _bar_height(len(labels)), legend=False)


def _styled(figure: go.Figure, height: int, *, legend: bool) -> Mapping[str, object]:
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
        hovermode="closest",
        dragmode=False,
    )
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True)
    if figure.data[0].type == "bar":
        figure.update_yaxes(showgrid=False)
    figure.update_traces(cliponaxis=False, textfont={"size": 11}, selector={"type": "bar"})
    drawn: Mapping[str, object] = json.loads(figure.to_json())
    return drawn


def _bar_height(bars: int) -> int:
    return 70 + 22 * bars


def _node_ns(node: NodeTime, *, by_device: bool) -> int:
    return (node.device_ns or 0) if by_device else node.host_ns


def _shortened(name: str, most: int = 48) -> str:
    """Names of nodes differ at their end. plotly reads tags in labels, so a name's own are escaped."""
    return escape(name if len(name) <= most else "…" + name[-most + 1 :], quote=False)
