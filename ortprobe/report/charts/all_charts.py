"""All charts of the page, in their order."""

from __future__ import annotations

from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.distribution import distribution_chart
from ortprobe.report.charts.idle import idle_chart
from ortprobe.report.charts.latency import latency_chart
from ortprobe.report.charts.node_hosts import node_hosts_chart
from ortprobe.report.charts.nodes import nodes_chart, op_types_chart
from ortprobe.report.charts.sessions import sessions_chart
from ortprobe.report.charts.utilisation import utilisation_chart
from ortprobe.report.sayable import stated_nodes, stated_sessions
from ortprobe.rules.engine import Judgement

TRACE_TYPES = frozenset({"bar", "scatter"})
"""All that these figures use, which is what the page's plotly bundle must draw."""


def build_charts(judgement: Judgement) -> tuple[Chart, ...]:
    """All charts of the page; one without a figure is there too, and its summary says why."""
    return (
        latency_chart(judgement),
        distribution_chart(judgement),
        utilisation_chart(judgement),
        idle_chart(judgement),
        sessions_chart(stated_sessions(judgement.analyses)),
        op_types_chart(stated_nodes(judgement.analyses)),
        nodes_chart(judgement),
        node_hosts_chart(judgement),
    )
