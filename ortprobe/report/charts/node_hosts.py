"""What nodes take on the host beside what they take on the GPU, over the same runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from plotly import graph_objects as go

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.nodes.own_time import own_host_ns
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.figures import NS_PER_MS, ROOM_FOR_TEXT, shortened, styled
from ortprobe.report.charts.nodes import first_of
from ortprobe.report.sayable import doubt
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value
from ortprobe.units import format_ns

_TITLE = "Nodes on the host against the GPU"
_MOST_NODES = 16
_PIXELS_A_NODE = 34
_HEIGHT_WITHOUT_NODES = 90


@dataclass(frozen=True, slots=True)
class _Place:
    """What a node goes by: the first of the sessions that replaced one another, and its name."""

    session: int
    name: str
    is_on_cpu: bool


@dataclass(slots=True)
class _Sum:
    total_ns: int = 0
    longest_ns: int = 0
    span: int = NONE
    """The longest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """One node of a model over its sessions that replaced one another: means over runs, in ns."""

    place: _Place
    host_ns: int
    device_ns: int
    host_span: int
    """Its longest execution in those runs."""
    device_span: int
    """Its longest work in them; NONE without any."""


def node_hosts_chart(judgement: Judgement) -> Chart:
    """Both times of the nodes with the largest, in steady runs that ORT's profile and a trace of the GPU watched."""
    analyses = judgement.analyses
    if unknown := doubt(analyses, Claim.NODE_TIME):
        return Chart("node-hosts", _TITLE, f"Host and GPU time of nodes: {unknown}.", None)
    compared = _compared(analyses)
    nodes = sorted(_nodes(analyses.timeline, compared), key=lambda node: -max(node.host_ns, node.device_ns))
    if not nodes:
        why = "ORT's profile and a trace of the GPU watched no steady run together, so the two can't be compared."
        return Chart("node-hosts", _TITLE, why, None)
    return Chart("node-hosts", _TITLE, _summary(nodes, int(compared.sum())), _figure(nodes[:_MOST_NODES]))


def _compared(analyses: Analyses) -> Bools:
    """For each run, whether it is steady, and both its nodes and its device work are known."""
    timeline, profiled = analyses.timeline, np.zeros(len(analyses.timeline.runs), np.bool_)
    run = timeline.links.run[timeline.node_spans.span]
    profiled[run[run != NONE]] = True
    return np.asarray(profiled & gpu_traced(timeline) & analyses.runs.steady, np.bool_)


def _nodes(timeline: Timeline, compared: Bools) -> list[_Node]:
    links, executed, work = timeline.links, timeline.node_spans, timeline.device_ops.span
    inside = np.append(compared, False)
    rows = np.flatnonzero(inside[links.run[executed.span]])
    host = _sums(timeline, executed.node[rows], executed.span[rows], own_host_ns(timeline)[rows])
    work = work[inside[links.run[work]] & (links.node[work] != NONE)]
    device = _sums(timeline, links.node[work], work, timeline.spans.duration_ns[work])
    pairs = set(
        zip(timeline.nodes.session[executed.node[rows]].tolist(), links.run[executed.span[rows]].tolist(), strict=True)
    )
    runs = Counter(first_of(timeline.sessions, session) for session, _ in pairs)
    return [
        _Node(
            place=place,
            host_ns=each.total_ns // runs[place.session],
            device_ns=device.get(place, _Sum()).total_ns // runs[place.session],
            host_span=each.span,
            device_span=device.get(place, _Sum()).span,
        )
        for place, each in host.items()
    ]


def _sums(timeline: Timeline, node: Int32s, span: Int32s, time_ns: Int64s) -> dict[_Place, _Sum]:
    found: dict[_Place, _Sum] = {}
    for each, rows in rows_by_value(node):
        longest = rows[np.argmax(time_ns[rows])]
        summed = found.setdefault(_place(timeline, each), _Sum())
        summed.total_ns += int(time_ns[rows].sum())
        if time_ns[longest] >= summed.longest_ns:
            summed.longest_ns, summed.span = int(time_ns[longest]), int(span[longest])
    return found


def _place(timeline: Timeline, node: int) -> _Place:
    nodes, names = timeline.nodes, timeline.names
    return _Place(
        session=first_of(timeline.sessions, int(nodes.session[node])),
        name=names[nodes.name[node]],
        is_on_cpu=names[nodes.provider[node]].startswith("CPU"),
    )


def _figure(nodes: Sequence[_Node]) -> Mapping[str, object]:
    several = len({node.place.session for node in nodes}) > 1
    labels = [_label(node.place, several=several) for node in nodes]
    figure = go.Figure()
    for name, values, spans, color in (
        ("on the host", [node.host_ns for node in nodes], [node.host_span for node in nodes], 1),
        ("on the GPU", [node.device_ns for node in nodes], [node.device_span for node in nodes], 0),
    ):
        figure.add_bar(
            x=[value / NS_PER_MS for value in values],
            y=labels,
            orientation="h",
            name=name,
            text=[format_ns(value) for value in values],
            customdata=[f"s{span}" if span != NONE else "" for span in spans],
            hovertemplate=f"%{{y}}, {name}: %{{text}} a run<extra></extra>",
            textposition="outside",
            meta={"color": color},
        )
    most_ns = max(max(node.host_ns, node.device_ns) for node in nodes)
    figure.update_layout(barmode="group")
    figure.update_xaxes(title="ms a run", range=[0, ROOM_FOR_TEXT * max(most_ns, 1) / NS_PER_MS])
    figure.update_yaxes(autorange="reversed")
    return styled(figure, _HEIGHT_WITHOUT_NODES + _PIXELS_A_NODE * len(nodes), legend=True)


def _label(place: _Place, *, several: bool) -> str:
    session = f" · session {place.session}" if several else ""
    return shortened(place.name) + session + (" (CPU)" if place.is_on_cpu else "")


def _summary(nodes: Sequence[_Node], runs: int) -> str:
    host_ns, device_ns = sum(node.host_ns for node in nodes), sum(node.device_ns for node in nodes)
    longer = sum(node.host_ns > node.device_ns for node in nodes)
    shown = f", of which the {_MOST_NODES} dearest are drawn" if len(nodes) > _MOST_NODES else ""
    return (
        f"Mean over {runs:,} steady runs that were fully traced: {len(nodes):,} nodes{shown}. Together they take "
        f"{format_ns(host_ns)} on the host, with what tracing adds, and {format_ns(device_ns)} on the GPU; {longer:,} "
        "take longer on the host. There a node of the GPU launches its work, and does not wait for it."
    )
