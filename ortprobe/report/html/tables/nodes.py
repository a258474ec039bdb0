"""The page's table of ONNX nodes."""

from __future__ import annotations

from collections.abc import Sequence

from ortprobe.analysis.nodes.node_times import NodeTime
from ortprobe.report.html.tables.model import Column, Table, note_of
from ortprobe.report.sayable import stated_bandwidth, stated_nodes
from ortprobe.report.wording import found_by_kernels, found_in_models, origin_text
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE

_MAX_NODES = 500


def nodes_table(judgement: Judgement) -> Table:
    """One row a node, the dearest first."""
    times = stated_nodes(judgement.analyses)
    shown = times.nodes[:_MAX_NODES]
    bandwidth = stated_bandwidth(judgement.analyses)
    rates = [None if bandwidth[node.node] == NONE else int(bandwidth[node.node]) // 1_000_000 for node in shown]
    columns = (
        Column("Node", "text", [node.name for node in shown]),
        Column("Op type", "text", [node.op_type for node in shown]),
        Column("Provider", "text", [node.provider.removesuffix("ExecutionProvider") for node in shown]),
        Column("Session", "int", [node.session for node in shown]),
        Column("GPU time", "ns", [node.device_ns for node in shown]),
        Column("GPU time a run", "ns", [node.device_per_run_ns for node in shown]),
        Column("over runs", "int", [node.device_runs for node in shown]),
        Column("Launches", "int", [node.launches for node in shown]),
        Column("Kernels", "int", [node.kernels for node in shown]),
        Column("Copies and fills", "int", [node.copies + node.fills for node in shown]),
        Column("Bytes moved by them", "int", [node.moved_bytes for node in shown]),
        Column("Operands, MB/s", "int", rates),
        Column("Host time", "ns", [node.host_ns for node in shown]),
        Column("Executions", "int", [node.executions for node in shown]),
        *(_in_model(shown) if times.in_models else ()),
    )
    note = ", ".join((note_of(len(times.nodes), len(shown), "nodes", "the dearest"), *found_in_models(times)))
    note = "; ".join(filter(None, (note, found_by_kernels(times, judgement.analyses.attribution))))
    return Table("nodes", "Nodes", note, columns, [f"s{node.first_span}" for node in shown])


def _in_model(nodes: Sequence[NodeTime]) -> tuple[Column, ...]:
    """What only the model file tells."""
    origins = [node.origin for node in nodes]
    return (
        Column("Made of", "text", [origin_text(node) for node in nodes]),
        Column("Weight bytes", "int", [origin.weight_bytes if origin else None for origin in origins]),
        Column("Output", "text", [origin.output if origin else "" for origin in origins]),
    )
