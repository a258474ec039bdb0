"""The dearest nodes, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.node_times import NodeTime
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.sayable import doubt, stated_nodes
from ortprobe.report.text.screen.grid import Column, notes, table
from ortprobe.report.wording import operator_text
from ortprobe.units import format_ns, format_ratio

TOP_NODES = 5


def nodes_section(analyses: Analyses, width: int) -> list[Text]:
    """By GPU time, else by host time with the reason; empty without a node."""
    times = stated_nodes(analyses)
    shown = times.nodes[:TOP_NODES]
    if not shown:
        return []
    by_device = times.by_device
    whole_ns = sum(_time_ns(node, by_device=by_device) for node in times.nodes)
    shares = [_time_ns(node, by_device=by_device) / max(whole_ns, 1) for node in shown]
    figures = ("a run", "kernels", "of GPU time") if by_device else ("host", "of host time")
    columns = (
        Column(heading=f"Nodes, {len(shown)} of {len(times.nodes):,}", least=16),
        Column(heading="operator", least=8),
        Column(heading="session", figures=True),
        Column(heading="provider"),
        *(Column(heading=heading, figures=True) for heading in figures),
    )
    rows = (_row(node, whole_ns, by_device=by_device) for node in shown)
    blind = doubt(analyses, Claim.NODE_TIME) or "no device time was captured"
    note = [] if by_device else notes([f"by host time: {blind}"], width)
    return [*table(columns, rows, width, shares), *note]


def _row(node: NodeTime, whole_ns: int, *, by_device: bool) -> Sequence[str]:
    names = (node.name, operator_text(node), str(node.session), node.provider.removesuffix("ExecutionProvider"))
    times = (format_ns(node.device_per_run_ns), f"{node.kernels:,}") if by_device else (format_ns(node.host_ns),)
    return *names, *times, format_ratio(_time_ns(node, by_device=by_device), whole_ns)


def _time_ns(node: NodeTime, *, by_device: bool) -> int:
    return (node.device_ns or 0) if by_device else node.host_ns
