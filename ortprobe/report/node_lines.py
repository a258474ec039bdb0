"""What nodes cost beside the dearest of them, a line each: operators, the CPU's detour, layout and casts, what sets the
pace, shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.bounds import Bound, SessionBound
from ortprobe.analysis.nodes.detours import Detour
from ortprobe.analysis.nodes.operators import NodeCategory, Operator, Operators
from ortprobe.report.sayable import stated_bounds, stated_detours, stated_operators
from ortprobe.units import format_ns, format_ratio

TOP_OPERATORS = 4

BOUND_LABELS: Mapping[Bound, str] = {
    Bound.LAUNCH: "the host sets the pace (launch-bound)",
    Bound.GPU: "the GPU sets the pace (GPU-bound)",
    Bound.OTHERS: "the GPU sets the pace, with work of others than the session",
    Bound.MIXED: "neither host nor GPU alone sets the pace",
    Bound.UNKNOWN: "can't tell what sets the pace",
}

CATEGORY_LABELS: Mapping[NodeCategory, str] = {
    NodeCategory.CPU_PLACED: "placed on the CPU",
    NodeCategory.MEMCPY: "copy, put in by ORT",
    NodeCategory.LAYOUT: "layout change",
    NodeCategory.CAST: "cast",
    NodeCategory.COMPUTE: "compute",
}


def node_lines(analyses: Analyses) -> tuple[str, ...]:
    """The lines that there is something to say in. Names of operators are as the trace has them."""
    operators = stated_operators(analyses)
    return tuple(
        filter(
            None,
            (
                operators_text(operators.operators),
                _layout_text(operators),
                *(detour_text(detour) for detour in stated_detours(analyses)),
                *_bound_lines(stated_bounds(analyses)),
                shapes_text(analyses),
            ),
        )
    )


def operators_text(operators: Sequence[Operator]) -> str:
    """`GPU time of nodes: Conv 79 %, Relu 10 %`; of the host time where no GPU time is known; empty without nodes."""
    by_device = any(each.sums.device_ns for each in operators)
    sums: dict[str, int] = {}
    for each in operators:
        time_ns = each.sums.device_ns or 0 if by_device else each.sums.host_ns
        sums[each.op_type] = sums.get(each.op_type, 0) + time_ns
    whole_ns, dearest = sum(sums.values()), sorted(sums.items(), key=lambda each: -each[1])
    shown = [f"{op} {format_ratio(ns, whole_ns)}" for op, ns in dearest[:TOP_OPERATORS] if ns]
    return f"{'GPU' if by_device else 'host'} time of nodes by operator: {', '.join(shown)}" if shown else ""


def _layout_text(operators: Operators) -> str:
    parts = []
    whole_ns = sum(each.sums.device_ns or 0 for each in operators.operators)
    for category, what in ((NodeCategory.LAYOUT, "layout changes"), (NodeCategory.CAST, "casts")):
        found = [of_session[category] for of_session in operators.by_category.values() if category in of_session]
        time_ns = sum(each.device_ns or 0 for each in found)
        if time_ns:
            count = sum(each.nodes for each in found)
            parts.append(f"{count:,} {what} take {format_ns(time_ns)}, {format_ratio(time_ns, whole_ns)} of it")
    return "; ".join(parts)


def detour_text(detour: Detour) -> str:
    """`session 0: 4 nodes on the CPU and 8 Memcpy nodes take 34.2 ms of host time a run: …`."""
    waits = f", waiting for copies {format_ns(detour.wait_ns)}" if detour.wait_ns else ""
    copies = f"; the GPU copies for {format_ns(detour.copy_ns)}" if detour.copy_ns is not None else ""
    nodes = f"{_counted(detour.cpu_nodes, 'node')} on the CPU and {_counted(detour.memcpy_nodes, 'Memcpy node')}"
    return (
        f"session {detour.session}: {nodes} take {format_ns(detour.host_ns)} of host time a run: computing "
        f"{format_ns(detour.cpu_ns)}, Memcpy nodes {format_ns(detour.memcpy_ns)}{waits}{copies}"
    )


def _bound_lines(bounds: Sequence[SessionBound]) -> Iterator[str]:
    """One for each bound that is known, with the sessions that have it."""
    for bound in (Bound.LAUNCH, Bound.GPU, Bound.OTHERS, Bound.MIXED):
        alike = [each for each in bounds if each.bound is bound]
        if alike:
            names = ", ".join(str(each.session) for each in alike)
            yield f"session{'s' if len(alike) > 1 else ''} {names}: {BOUND_LABELS[bound]}: {_bound_facts(alike)}"


def _bound_facts(bounds: Sequence[SessionBound]) -> str:
    busy, drain = ([getattr(each, name) or 0 for each in bounds] for name in ("busy_share", "drain_share"))
    ahead_ns = [each.ahead_ns for each in bounds if each.ahead_ns is not None]
    ahead = f", kernels start {_span(ahead_ns, format_ns)} after their launch" if ahead_ns else ""
    return (
        f"GPU busy {_span(busy, _percent)} of launching, host waits for it {_span(drain, _percent)} of a run{ahead} "
        f"(medians, traced)"
    )


def _span(values: Sequence[float], written: Callable[[float], str]) -> str:
    low, high = written(min(values)), written(max(values))
    return low if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def shapes_text(analyses: Analyses) -> str:
    """How many nodes had several input shapes, and how many runs had some that no earlier one had; empty where none."""
    shapes = analyses.node_shapes
    several = np.bincount(shapes.node[shapes.shapes >= 0])
    changing = int((several > 1).sum())
    if not changing:
        return ""
    runs = sum(len(life.first_runs.new_shapes) for life in analyses.sessions.lives)
    fresh = f"; {_counted(runs, 'run')} had shapes that no earlier one had" if runs else ""
    return f"{_counted(changing, 'node')} had several input shapes, up to {int(several.max()):,}{fresh}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
