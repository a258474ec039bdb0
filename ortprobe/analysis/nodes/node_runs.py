"""Device work of each ONNX node in each run, to the nanosecond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES, base_name
from ortprobe.timeline.groups import sum_by_group


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRuns:
    """One row for each node and run in which it had work on the device, by node, then run. All device work is in these
    rows or in `without_node_ns`; together they are the summed durations of all kernels, copies and fills."""

    node: Int32s
    """Row in `Timeline.nodes`."""
    run: Int32s
    """Row in `Timeline.runs`; NONE for work of a node outside of all runs, such as one that a profile cut short."""
    device_ns: Int64s
    """Summed durations; work of several streams at once counts several times."""
    kernels: Int64s
    copies: Int64s
    fills: Int64s
    moved_bytes: Int64s
    """Bytes that its copies and fills moved; NONE where the trace does not say of each."""
    launches: Int64s
    """CUDA calls that launched the work. The launch of a CUDA graph is of all its nodes, and is not among them."""
    without_node_ns: int
    """Device work that has no node."""
    counted: Bools
    """For each row of `Timeline.runs`, whether its device work was watched and has its nodes, so that a node without a
    row had no work in it."""

    def sum_of(self, column: Int64s, nodes: int) -> Int64s:
        """A column summed over the runs of each of `nodes` nodes; NONE where a row is."""
        sums = sum_by_group(self.node, column, nodes)
        sums[self.node[column == NONE]] = NONE
        return sums

    def median_ns(self, nodes: int) -> Int64s:
        """For each of `nodes` nodes the median device time over the runs in which it had work; NONE without such."""
        found = np.full(nodes, NONE, np.int64)
        order = np.lexsort((self.device_ns, self.node))
        order = order[self.run[order] != NONE]
        node, device_ns = self.node[order], self.device_ns[order]
        distinct, first, count = np.unique(node, return_index=True, return_counts=True)
        low, high = first + (count - 1) // 2, first + count // 2
        found[distinct] = (device_ns[low] + device_ns[high]) // 2
        return found


def compute_node_runs(timeline: Timeline) -> NodeRuns:
    """Sum what was launched inside nodes, by node and run."""
    spans, links, ops = timeline.spans, timeline.links, timeline.device_ops
    with_node = links.node[ops.span] != NONE
    work, size_bytes = ops.span[with_node], ops.size_bytes[with_node]
    stride = len(timeline.runs) + 1
    pair = links.node[work].astype(np.int64) * stride + links.run[work] + 1
    distinct, row = np.unique(pair, return_inverse=True)
    count, kind = len(distinct), spans.kind[work]
    moved_bytes = sum_by_group(row, np.maximum(size_bytes, 0), count)
    moved_bytes[row[size_bytes == NONE]] = NONE
    return NodeRuns(
        node=(distinct // stride).astype(np.int32),
        run=(distinct % stride - 1).astype(np.int32),
        device_ns=sum_by_group(row, spans.duration_ns[work], count),
        kernels=np.bincount(row[kind == Kind.KERNEL], minlength=count),
        copies=np.bincount(row[kind == Kind.MEMCPY], minlength=count),
        fills=np.bincount(row[kind == Kind.MEMSET], minlength=count),
        moved_bytes=moved_bytes,
        launches=_launches(timeline, work, row, count),
        without_node_ns=int(spans.duration_ns[ops.span[~with_node]].sum()),
        counted=_counted(timeline),
    )


def _launches(timeline: Timeline, work: Int32s, row: Int64s, count: int) -> Int64s:
    """Distinct launching calls in each row, those of graphs left out."""
    launch = timeline.links.launch[work]
    of_graphs = [number for number, name in enumerate(timeline.names) if base_name(name) in GRAPH_LAUNCHES]
    launched = np.flatnonzero((launch != NONE) & ~np.isin(timeline.spans.name[launch], of_graphs))
    keys = row[launched] * np.int64(len(timeline.spans)) + launch[launched]
    return np.bincount(np.unique(keys) // max(len(timeline.spans), 1), minlength=count)


def _counted(timeline: Timeline) -> Bools:
    runs, links, ops = timeline.runs, timeline.links, timeline.device_ops.span
    of_run, of_node = links.run[ops], links.node[ops]
    any_work, with_node = (_marked(rows, len(runs)) for rows in (of_run, of_run[of_node != NONE]))
    # A run that ended behind the window it began in counts too, where all of its work has nodes: it is summed.
    return np.asarray((with_node | (gpu_traced(timeline) & ~any_work)) & (runs.session != NONE), np.bool_)


def _marked(rows: Int32s, count: int) -> Bools:
    marked = np.zeros(count, np.bool_)
    marked[rows[rows != NONE]] = True
    return marked
