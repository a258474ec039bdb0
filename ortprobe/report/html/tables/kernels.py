"""The page's table of kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.busy import busy_by_group
from ortprobe.analysis.trust.claims import Claim
from ortprobe.report.html.tables.model import Column, Table, note_of
from ortprobe.report.sayable import doubt
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE, Int64s, Kind, Timeline, own_stream
from ortprobe.timeline.groups import rows_by_value
from ortprobe.units import format_ratio

_MAX_KERNELS = 500
_MAX_STREAMS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernel:
    """All executions of one kernel on one device."""

    name: str
    device: int
    count: int
    total_ns: int
    """Summed; executions at once on several streams count several times."""
    longest_ns: int
    covered_ns: int
    """The same with each nanosecond once."""
    nodes: int
    streams: tuple[int, ...]
    longest_span: int


def kernels_table(judgement: Judgement) -> Table:
    """One row a kernel of a device by its name, the dearest first; its key is the longest execution."""
    analyses = judgement.analyses
    unknown = doubt(analyses, Claim.GPU_TIME)
    kernels = [] if unknown else sorted(_kernels(analyses.timeline), key=lambda each: -each.total_ns)
    shown = kernels[:_MAX_KERNELS]
    busy_ns = _busy_by_device(analyses)
    columns = (
        Column("Kernel", "text", [each.name for each in shown]),
        Column("GPU", "int", [each.device for each in shown]),
        Column("Count", "int", [each.count for each in shown]),
        Column("Total", "ns", [each.total_ns for each in shown]),
        Column("of busy time", "text", [format_ratio(each.covered_ns, busy_ns.get(each.device, 0)) for each in shown]),
        Column("Mean", "ns", [each.total_ns // each.count for each in shown]),
        Column("Longest", "ns", [each.longest_ns for each in shown]),
        Column("Nodes", "int", [each.nodes for each in shown]),
        Column("Streams", "text", [_streams_text(each.streams) for each in shown]),
    )
    note = unknown or note_of(len(kernels), len(shown), "kernels", "the dearest")
    return Table("kernels", "Kernels", note, columns, [f"s{each.longest_span}" for each in shown])


def _kernels(timeline: Timeline) -> list[_Kernel]:
    spans, ops = timeline.spans, timeline.device_ops
    rows = np.flatnonzero(spans.kind[ops.span] == Kind.KERNEL)
    kernels, stride = ops.span[rows], np.int64(len(timeline.names))
    group: Int64s = ops.device[rows].astype(np.int64) * stride + spans.name[kernels]
    distinct, number = np.unique(group, return_inverse=True)
    covered_ns = busy_by_group(
        number.astype(np.int32), spans.start_ns[kernels], spans.end_ns[kernels], len(distinct)
    )  # fmt: skip
    streams = np.array([lane.stream for lane in timeline.lanes], np.int64)
    found = []
    for each, mine in rows_by_value(number):
        own = kernels[mine]
        duration_ns, node = spans.duration_ns[own], timeline.links.node[own]
        found.append(
            _Kernel(
                name=timeline.names[int(distinct[each] % stride)],
                device=int(distinct[each] // stride),
                count=len(own),
                total_ns=int(duration_ns.sum()),
                longest_ns=int(duration_ns.max()),
                covered_ns=int(covered_ns[each]),
                nodes=len(np.unique(node[node != NONE])),
                streams=tuple(own_stream(stream) for stream in np.unique(streams[spans.lane[own]]).tolist()),
                longest_span=int(own[np.argmax(duration_ns)]),
            )
        )
    return found


def _busy_by_device(analyses: Analyses) -> dict[int, int]:
    """In ns; none where busy time can't be told."""
    return {} if doubt(analyses, Claim.IDLE) else {each.device: each.busy_ns for each in analyses.idle.devices}


def _streams_text(streams: tuple[int, ...]) -> str:
    """`13, 29`; of very many the first ones."""
    more = f" and {len(streams) - _MAX_STREAMS} more" if len(streams) > _MAX_STREAMS else ""
    return ", ".join(map(str, streams[:_MAX_STREAMS])) + more
