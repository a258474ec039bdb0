"""Time by ONNX node and by operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ortprobe.analysis.nodes.node_times import NodeTime, NodeTimes
from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.figures import MOST_BARS, ranking, shortened
from ortprobe.report.sayable import stated_nodes
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import Session
from ortprobe.units import format_ns


def op_types_chart(times: NodeTimes) -> Chart:
    """Time of all nodes by operator, on the GPU where it was traced."""
    nodes, by_device = times.nodes, times.by_device
    title = "GPU time by op type" if by_device else "Host time by op type"
    total: Counter[str] = Counter()
    shown_by: dict[str, NodeTime] = {}
    for node in nodes:
        total[node.op_type] += _node_ns(node, by_device=by_device)
        shown_by.setdefault(node.op_type, node)
    top = [(op_type, ns) for op_type, ns in total.most_common(MOST_BARS) if ns]
    if not top:
        return Chart("op-types", title, "No ONNX node has measured time in this capture.", None)
    keys = [f"s{shown_by[op_type].first_span}" for op_type, _ in top]
    whole = sum(total.values())
    summary = f"{top[0][0]} takes {100 * top[0][1] / whole:.0f} % of {format_ns(whole)}."
    return Chart(
        "op-types", title, summary, ranking([shortened(op) for op, _ in top], [ns for _, ns in top], keys, color=2)
    )


def nodes_chart(judgement: Judgement) -> Chart:
    """The nodes that take the most time, on the GPU where it was traced."""
    times, sessions = stated_nodes(judgement.analyses), judgement.analyses.timeline.sessions
    title = "The dearest nodes on the GPU" if times.by_device else "The dearest nodes on the host"
    total: Counter[tuple[int, str]] = Counter()
    shown_by: dict[tuple[int, str], NodeTime] = {}
    for node in times.nodes:
        place = (first_of(sessions, node.session), node.name)
        total[place] += _node_ns(node, by_device=times.by_device)
        shown_by.setdefault(place, node)
    top = [(place, ns) for place, ns in total.most_common(MOST_BARS) if ns]
    if not top:
        return Chart("nodes", title, "No ONNX node has measured time in this capture.", None)
    several = len({session for session, _ in total}) > 1
    labels = [shortened(name) + (f" · session {session}" if several else "") for (session, name), _ in top]
    keys = [f"s{shown_by[place].first_span}" for place, _ in top]
    summary = f"The {len(top)} dearest of {len(total):,} nodes, summed over all runs, those after a re-init included."
    return Chart("nodes", title, summary, ranking(labels, [ns for _, ns in top], keys, color=0))


def first_of(sessions: Sequence[Session], index: int) -> int:
    """The session that this one, or those before it, replaced: they run the same model."""
    while 0 <= index < len(sessions) and (replaced := sessions[index].replaces) is not None:
        index = replaced
    return index


def _node_ns(node: NodeTime, *, by_device: bool) -> int:
    return (node.device_ns or 0) if by_device else node.host_ns
