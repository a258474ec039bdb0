"""GPU time per ONNX node, true to the nanosecond, beside the host time that ORT's profile shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.nodes.node_runs import NodeRuns
from ortprobe.analysis.nodes.own_time import own_host_ns
from ortprobe.timeline import NONE, Int32s, Int64s, Kind, LinkKind, Timeline
from ortprobe.timeline.groups import sum_by_group


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOrigin:
    """What an executed node was in the model file, before ORT optimised it."""

    link: LinkKind
    names: tuple[str, ...]
    """Of the model's nodes that it executes: its own, and those that ORT fused into it."""
    op_types: tuple[str, ...]
    """Their operators."""
    weight_bytes: int | None
    """Size in the model of the initialisers that they read; None when that is unknown."""
    output: str
    """Element type and shape of the output as the model states them, `float[1,64,N]`; empty when it doesn't."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTime:
    """One node of one C session, over all its captured runs."""

    node: int
    """Row in `Timeline.nodes`."""
    session: int
    name: str
    op_type: str
    provider: str
    executions: int
    """How often ORT's profile saw it."""
    host_ns: int
    """Summed host time, with the nodes of its subgraphs. On the CPU: computing. On a GPU: launching, which is no
    measure of the work (onnxruntime issues 7390, 20398)."""
    own_host_ns: int
    """The same without the nodes of its subgraphs: over all nodes each nanosecond once."""
    device_ns: int | None
    """Summed time of its kernels, copies and fills; None without a GPU trace, 0 for a node that launched nothing."""
    device_runs: int
    """Over how many runs `device_ns` is summed."""
    device_per_run_ns: int | None
    """Median over the runs in which it had device work; None where there was none, or none was seen."""
    kernels: int
    copies: int
    fills: int
    launches: int
    """CUDA calls that launched its kernels, copies and fills."""
    moved_bytes: int | None
    """What its copies and fills moved; None where the trace does not say."""
    first_span: int
    """A span to show for it: its longest execution."""
    origin: NodeOrigin | None
    """What it was in its session's model; None where there is no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTimes:
    """Nodes, the dearest first: by device time where there is a GPU trace, else by host time."""

    nodes: tuple[NodeTime, ...]
    by_device: bool
    kernels_total: int
    """Kernels, copies and fills are `device work`; these three count kernels alone."""
    kernels_of_ort: int
    """Kernels launched from inside a run of ORT, or from a node of one whose end the profile lacks."""
    kernels_with_node: int
    """Kernels of ORT that have their ONNX node."""
    unattributed_kernel_ns: int
    """Device time of ORT's kernels without a node."""
    in_models: Mapping[LinkKind, int]
    """Of the nodes whose session has a model, how many were found in it how; empty without models."""


def compute_nodes(timeline: Timeline, node_runs: NodeRuns) -> NodeTimes:
    """Times of every node, and how many kernels found theirs."""
    spans, links = timeline.spans, timeline.links
    kernels = spans.of_kind(Kind.KERNEL)
    of_ort = kernels[((links.run[kernels] != NONE) | (links.node[kernels] != NONE)) & (links.launch[kernels] != NONE)]
    lost = of_ort[links.node[of_ort] == NONE]
    nodes = _node_times(timeline, node_runs)
    by_device = any(node.device_ns is not None for node in nodes)
    nodes.sort(key=lambda node: (-(node.device_ns or 0), -node.host_ns) if by_device else (-node.host_ns, 0))
    return NodeTimes(
        nodes=tuple(nodes),
        by_device=by_device,
        kernels_total=len(kernels),
        kernels_of_ort=len(of_ort),
        kernels_with_node=len(of_ort) - len(lost),
        unattributed_kernel_ns=int(spans.duration_ns[lost].sum()),
        in_models=Counter(node.origin.link for node in nodes if node.origin is not None),
    )


def _node_times(timeline: Timeline, node_runs: NodeRuns) -> list[NodeTime]:
    spans, nodes, executed, runs = timeline.spans, timeline.nodes, timeline.node_spans, timeline.runs
    count = len(nodes)
    device_runs = np.bincount(runs.session[node_runs.counted], minlength=len(timeline.sessions))
    per_run_ns = node_runs.median_ns(count)
    device_ns, kernels, copies, fills, launches, moved_bytes = (
        node_runs.sum_of(column, count)
        for column in (node_runs.device_ns, node_runs.kernels, node_runs.copies, node_runs.fills, node_runs.launches,
                       node_runs.moved_bytes)
    )  # fmt: skip
    executions = np.bincount(executed.node, minlength=count)
    host_ns = sum_by_group(executed.node, spans.duration_ns[executed.span], count)
    own_ns = sum_by_group(executed.node, own_host_ns(timeline), count)
    longest = _longest_by(executed.node, executed.span, spans.duration_ns[executed.span], count)
    name = timeline.names
    return [
        NodeTime(
            node=node,
            session=int(nodes.session[node]),
            name=name[nodes.name[node]],
            op_type=name[nodes.op_type[node]],
            provider=name[nodes.provider[node]],
            executions=int(executions[node]),
            host_ns=int(host_ns[node]),
            own_host_ns=int(own_ns[node]),
            device_ns=int(device_ns[node]) if device_runs[nodes.session[node]] else None,
            device_runs=int(device_runs[nodes.session[node]]),
            device_per_run_ns=None if per_run_ns[node] == NONE else int(per_run_ns[node]),
            kernels=int(kernels[node]),
            copies=int(copies[node]),
            fills=int(fills[node]),
            launches=int(launches[node]),
            moved_bytes=None if moved_bytes[node] == NONE else int(moved_bytes[node]),
            first_span=int(longest[node]),
            origin=_origin(timeline, node),
        )
        for node in range(count)
    ]


def _origin(timeline: Timeline, node: int) -> NodeOrigin | None:
    links = timeline.model_links
    if not len(links) or links.model[node] == NONE:
        return None
    model, rows = timeline.models[links.model[node]], links.graph_nodes[node].tolist()
    return NodeOrigin(
        link=LinkKind(links.kind[node]),
        names=tuple(model.node_name(row) for row in rows),
        op_types=tuple(model.op_type(row) for row in rows),
        weight_bytes=None if links.weight_bytes[node] == NONE else int(links.weight_bytes[node]),
        output="" if links.output[node] == NONE else model.value_text(int(links.output[node])),
    )


def _longest_by(group: Int32s, span: Int32s, duration_ns: Int64s, count: int) -> Int32s:
    longest = np.full(count, NONE, np.int32)
    order = np.argsort(duration_ns, kind="stable")
    longest[group[order]] = span[order]
    return longest
