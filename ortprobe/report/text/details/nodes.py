"""The dearest ONNX nodes, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.names import printable
from ortprobe.report.node_lines import node_lines
from ortprobe.report.sayable import doubt, stated_nodes
from ortprobe.report.text.layout import table_of
from ortprobe.report.wording import found_by_kernels, found_in_models, operator_text
from ortprobe.units import NOT_MEASURED, format_ns, format_ratio

TOP_NODES = 10


def nodes_section(analyses: Analyses) -> RenderableType | None:
    """None without a node."""
    times = stated_nodes(analyses)
    if not times.nodes:
        return None
    measured = ("GPU", "a run", "share", "host", "kernels") if times.by_device else ("host",)
    whole_ns = sum(node.device_ns or 0 for node in times.nodes)
    table = table_of("session", "node", "operator", "provider", *measured, right_from=4)
    for node in times.nodes[:TOP_NODES]:
        names = (node.name, operator_text(node), node.provider.removesuffix("ExecutionProvider"))
        host, device = format_ns(node.host_ns), format_ns(node.device_ns)
        kernels = f"{node.kernels:,}" if node.device_ns is not None else NOT_MEASURED
        per_run, share = format_ns(node.device_per_run_ns), format_ratio(node.device_ns or 0, whole_ns)
        figures = (device, per_run, share, host, kernels) if times.by_device else (host,)
        table.add_row(str(node.session), *(Text(printable(name)) for name in names), *figures)
    shown = f"the dearest {min(TOP_NODES, len(times.nodes))} of {len(times.nodes):,}"
    found = found_by_kernels(times, analyses.attribution)
    blind = doubt(analyses, Claim.NODE_TIME) or "no device time was captured"
    note = shown if times.by_device else f"{shown}, by host time: {blind}"
    lines = ("; ".join((note, *found_in_models(times))), found, *node_lines(analyses))
    return Group(table, *(Text(printable(line)) for line in lines if line))
