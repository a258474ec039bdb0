"""What kinds of nodes cost: by operator, provider and session, and by what they are there for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ortprobe.analysis.nodes.node_times import NodeTime, NodeTimes
from ortprobe.analysis.nodes.placement import CAST_OPS, CPU_PROVIDER, LAYOUT_OPS, MEMCPY_OPS


class NodeCategory(StrEnum):
    """What a node is there for. The first that holds, in this order."""

    MEMCPY = "memcpy"
    """ORT put it in to copy between a node on the CPU and one elsewhere (`MEMCPY_OPS`)."""
    CPU_PLACED = "cpu-placed"
    """It runs on the CPU, in a session in which another execution provider runs nodes."""
    LAYOUT = "layout"
    """It changes the order of elements in memory (`LAYOUT_OPS`)."""
    CAST = "cast"
    """It changes the type of elements (`CAST_OPS`)."""
    COMPUTE = "compute"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSums:
    """Summed over some nodes."""

    nodes: int
    executions: int
    """How often ORT's profile saw them."""
    host_ns: int
    """Summed host time, without that of nodes in their subgraphs. On the CPU: computing. On a GPU: launching, which is
    no measure of the work."""
    device_ns: int | None
    """None where no device work was seen with its nodes."""
    kernels: int
    share: float | None
    """Of the device time of all nodes of its session; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The nodes of one operator on one provider in one session."""

    session: int
    op_type: str
    provider: str
    category: NodeCategory
    sums: NodeSums
    first_span: int
    """A span to show for it: the longest execution of its dearest node; NONE when none was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operators:
    """Each node is in one operator and in one category of its session."""

    operators: tuple[Operator, ...]
    """The dearest first: by device time where there is a GPU trace, else by host time."""
    by_category: Mapping[int, Mapping[NodeCategory, NodeSums]]
    """By session; categories without a node are not in it."""


def compute_operators(times: NodeTimes) -> Operators:
    """Sum times of nodes by operator and by category."""
    mixed = {node.session for node in times.nodes if node.provider != CPU_PROVIDER}
    device_ns: dict[int, int] = {}
    by_operator: dict[tuple[int, str, str, NodeCategory], list[NodeTime]] = {}
    by_category: dict[int, dict[NodeCategory, list[NodeTime]]] = {}
    for node in times.nodes:
        category = category_of(node, in_mixed_session=node.session in mixed)
        device_ns[node.session] = device_ns.get(node.session, 0) + (node.device_ns or 0)
        by_operator.setdefault((node.session, node.op_type, node.provider, category), []).append(node)
        by_category.setdefault(node.session, {}).setdefault(category, []).append(node)
    operators = [
        Operator(
            session=session,
            op_type=op_type,
            provider=provider,
            category=category,
            sums=_sums(nodes, device_ns[session]),
            first_span=nodes[0].first_span,
        )
        for (session, op_type, provider, category), nodes in by_operator.items()
    ]
    return Operators(
        operators=_dearest_first(operators, by_device=times.by_device),
        by_category={
            session: {category: _sums(nodes[category], device_ns[session]) for category in sorted(nodes)}
            for session, nodes in sorted(by_category.items())
        },
    )


def category_of(node: NodeTime, *, in_mixed_session: bool) -> NodeCategory:
    """What a node is there for; `in_mixed_session`: whether its session runs nodes elsewhere than on the CPU."""
    if node.op_type in MEMCPY_OPS:
        return NodeCategory.MEMCPY
    if in_mixed_session and node.provider == CPU_PROVIDER:
        return NodeCategory.CPU_PLACED
    if node.op_type in LAYOUT_OPS:
        return NodeCategory.LAYOUT
    return NodeCategory.CAST if node.op_type in CAST_OPS else NodeCategory.COMPUTE


def _dearest_first(operators: Iterable[Operator], *, by_device: bool) -> tuple[Operator, ...]:
    return tuple(
        sorted(
            operators,
            key=lambda each: (-(each.sums.device_ns or 0), -each.sums.host_ns) if by_device else (-each.sums.host_ns,),
        )
    )


def _sums(nodes: Sequence[NodeTime], of_session_ns: int) -> NodeSums:
    measured = [node.device_ns for node in nodes if node.device_ns is not None]
    return NodeSums(
        nodes=len(nodes),
        executions=sum(node.executions for node in nodes),
        host_ns=sum(node.own_host_ns for node in nodes),
        device_ns=sum(measured) if measured else None,
        kernels=sum(node.kernels for node in nodes),
        share=sum(measured) / of_session_ns if measured and of_session_ns else None,
    )
