"""GPU time per ONNX node, true to the nanosecond, beside the host time that ORT's profile shows."""

from __future__ import annotations

from dataclasses import dataclass


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
    """Summed host time. On the CPU: computing. On a GPU: launching, which is no measure of the work."""
    device_ns: int | None
    """Summed time of its kernels, copies and fills; None without a GPU trace, 0 for a node that launched nothing."""
    device_runs: int
    """Over how many runs `device_ns` is summed."""
    kernels: int
    first_span: int
    """A span to show for it: its longest execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTimes:
    """Nodes, the dearest first: by device time where there is a GPU trace, else by host time."""

    nodes: tuple[NodeTime, ...]
    by_device: bool
    kernels_total: int
    """Kernels, copies and fills are `device work`; these three count kernels alone."""
    kernels_of_ort: int
    """Kernels launched from inside a run of ORT."""
    kernels_with_node: int
    """Kernels of ORT that have their ONNX node."""
    unattributed_kernel_ns: int
    """Device time of ORT's kernels without a node."""
