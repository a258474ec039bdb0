"""What two runs have different: nodes, waits, idle time of devices, shapes of inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import NONE, Int32s, Int64s, Timeline
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import Intervals

MOST = 20
"""Of each kind of difference the largest ones are kept; a model has thousands of nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDifference:
    """One node in both runs. A time is None where it was not measured in both."""

    node: int
    """Row in `Timeline.nodes`."""
    device_ns: int | None
    """By how much its kernels, copies and fills took longer in the slow run."""
    host_ns: int | None
    """By how much its execution on the host took longer."""
    slow_span: int
    """Its longest work on the device in the slow run, else its execution there; NONE where it has neither."""
    other_span: int

    @property
    def largest_ns(self) -> int:
        return max(self.device_ns or 0, self.host_ns or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitDifference:
    """A host's wait: the n-th of its call's name in both runs. One that only one of them has stalled 0 in the other."""

    slow_span: int
    """The wait; NONE where the slow run has none."""
    other_span: int
    stall_ns: int
    """By how much it stalled longer in the slow run."""
    work: int
    """What it waited for last in the slow run (device work); NONE for nothing."""
    foreign: bool
    """Whether that is work that this run did not launch."""

    @property
    def largest_ns(self) -> int:
        return self.stall_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleDifference:
    """Idle time of a device with one cause, inside of both stretches."""

    device: int
    cause: IdleCause
    idle_ns: int
    """By how much there is more of it in the slow one."""
    start_ns: int
    """The longest piece of it there; NONE where there is none."""
    end_ns: int
    because: int
    """The span that shows that piece's cause; NONE where there is none."""

    @property
    def largest_ns(self) -> int:
        return self.idle_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeDifference:
    """Inputs of one node, as ORT's profile writes them."""

    node: int
    slow_shapes: str
    other_shapes: str
    slow_span: int
    other_span: int


class NodesOfRuns:
    """What each of some runs executed and launched, by node; one pass over the timeline for all of them."""

    def __init__(self, timeline: Timeline, runs: Int32s) -> None:
        self._timeline = timeline
        links, ops, executed = timeline.links, timeline.device_ops.span, timeline.node_spans
        chosen = np.zeros(len(timeline.runs) + 1, np.bool_)
        chosen[runs] = True
        work = ops[chosen[links.run[ops]] & (links.node[ops] != NONE)]
        rows = np.flatnonzero(chosen[links.run[executed.span]])
        self._work = {run: work[found] for run, found in rows_by_value(links.run[work])}
        self._executed = {run: rows[found] for run, found in rows_by_value(links.run[executed.span[rows]])}

    def node_differences(self, slow: int, other: int) -> tuple[NodeDifference, ...]:
        """The nodes whose times differ, those with the largest difference first."""
        device = self._device(slow), self._device(other)
        host = self._host(slow), self._host(other)
        found = []
        for node in {*device[0], *host[0]} & {*device[1], *host[1]}:
            device_ns, host_ns = _difference(*device, node), _difference(*host, node)
            spans = [(device[i].get(node) or host[i][node])[1] for i in (0, 1)]
            if device_ns or host_ns:
                found.append(
                    NodeDifference(
                        node=node, device_ns=device_ns, host_ns=host_ns, slow_span=spans[0], other_span=spans[1]
                    )
                )
        found.sort(key=lambda each: (-max(abs(each.device_ns or 0), abs(each.host_ns or 0)), each.node))
        return tuple(found[:MOST])

    def shape_differences(self, slow: int, other: int) -> tuple[ShapeDifference, ...]:
        """The nodes whose inputs have other shapes, in the order of the slow run."""
        timeline, executed = self._timeline, self._timeline.node_spans
        first = [self._first_execution(run) for run in (slow, other)]
        found = []
        for node, row in first[0].items():
            before = first[1].get(node)
            shapes = [NONE if each is None else int(executed.input_shapes[each]) for each in (row, before)]
            if before is not None and NONE not in shapes and shapes[0] != shapes[1]:
                found.append(
                    ShapeDifference(
                        node=node, slow_shapes=timeline.names[shapes[0]], other_shapes=timeline.names[shapes[1]],
                        slow_span=int(executed.span[row]), other_span=int(executed.span[before]),
                    )
                )  # fmt: skip
        return tuple(found[:MOST])

    def _device(self, run: int) -> Mapping[int, tuple[int, int]]:
        spans = self._work.get(run, np.empty(0, np.int32))
        return self._by_node(self._timeline.links.node[spans], spans)

    def _host(self, run: int) -> Mapping[int, tuple[int, int]]:
        rows = self._executed.get(run, np.empty(0, np.int64))
        executed = self._timeline.node_spans
        return self._by_node(executed.node[rows], executed.span[rows])

    def _by_node(self, node: Int32s, spans: Int32s) -> Mapping[int, tuple[int, int]]:
        """Node → (summed time, its longest span)."""
        duration_ns = self._timeline.spans.end_ns[spans] - self._timeline.spans.start_ns[spans]
        return {
            each: (int(duration_ns[rows].sum()), int(spans[rows[np.argmax(duration_ns[rows])]]))
            for each, rows in rows_by_value(node)
        }

    def _first_execution(self, run: int) -> Mapping[int, int]:
        """Node → row in `Timeline.node_spans`, in time order."""
        rows = self._executed.get(run, np.empty(0, np.int64))
        found: dict[int, int] = {}
        for node, row in zip(self._timeline.node_spans.node[rows].tolist(), rows.tolist(), strict=True):
            found.setdefault(node, row)
        return found


def _difference(slow: Mapping[int, tuple[int, int]], other: Mapping[int, tuple[int, int]], node: int) -> int | None:
    if not slow or not other:
        return None
    return slow.get(node, (0, NONE))[0] - other.get(node, (0, NONE))[0]


class WaitsOfRuns:
    """The host's waits of each of some runs, of which the trace says what they waited for."""

    def __init__(self, timeline: Timeline, waits: WaitTimes, runs: Int32s) -> None:
        self._timeline, self._waits = timeline, waits
        chosen = np.zeros(len(timeline.runs) + 1, np.bool_)
        chosen[runs] = True
        rows = np.flatnonzero(waits.by_host & (waits.stall_ns != NONE) & chosen[waits.run])
        self._rows = {run: rows[found] for run, found in rows_by_value(waits.run[rows])}

    def differences(self, slow: int, other: int) -> tuple[WaitDifference, ...]:
        """The waits that stalled differently, those with the largest difference first."""
        of_slow, of_other = self._named(slow), self._named(other)
        found = []
        for key in dict.fromkeys((*of_slow, *of_other)):
            rows = of_slow.get(key), of_other.get(key)
            stall_ns = [0 if row is None else int(self._waits.stall_ns[row]) for row in rows]
            spans = [NONE if row is None else int(self._waits.span[row]) for row in rows]
            work = NONE if rows[0] is None else int(self._waits.work[rows[0]])
            if stall_ns[0] != stall_ns[1]:
                found.append(
                    WaitDifference(
                        slow_span=spans[0], other_span=spans[1], stall_ns=stall_ns[0] - stall_ns[1], work=work,
                        foreign=work != NONE and int(self._timeline.links.run[work]) != slow,
                    )
                )  # fmt: skip
        return tuple(sorted(found, key=lambda each: -abs(each.stall_ns))[:MOST])

    def _named(self, run: int) -> Mapping[tuple[int, int], int]:
        """(name of the call, how many of that name before it) → row."""
        seen: Counter[int] = Counter()
        found = {}
        for row in self._rows.get(run, np.empty(0, np.int64)).tolist():
            call = int(self._waits.call[row])
            name = int(self._timeline.spans.name[call if call != NONE else self._waits.span[row]])
            found[name, seen[name]] = row
            seen[name] += 1
        return found


def idle_differences(
    devices: tuple[DeviceIdle, ...], slow: Intervals, other: Intervals
) -> tuple[tuple[IdleDifference, ...], ...]:
    """For each pair of stretches (slow[i], other[i]): the causes of which they hold different amounts of idle time,
    those with the largest difference first."""
    found: list[list[IdleDifference]] = [[] for _ in slow[0]]
    for device in devices:
        columns = device.columns
        for row in np.unique(columns.piece_cause).tolist():
            mine = np.flatnonzero(columns.piece_cause == row)
            pieces = (columns.piece_start_ns[mine], columns.piece_end_ns[mine])
            more_ns = covered_ns(pieces, slow) - covered_ns(pieces, other)
            for pair in np.flatnonzero(more_ns).tolist():
                start_ns, end_ns, piece = _longest_within(pieces, int(slow[0][pair]), int(slow[1][pair]))
                because = NONE if piece == NONE else int(columns.piece_because[mine[piece]])
                found[pair].append(
                    IdleDifference(
                        device=device.device, cause=CAUSES[row], idle_ns=int(more_ns[pair]), start_ns=start_ns,
                        end_ns=end_ns, because=because,
                    )
                )  # fmt: skip
    return tuple(tuple(sorted(each, key=lambda one: -abs(one.idle_ns))) for each in found)


def _longest_within(pieces: Intervals, start_ns: int, end_ns: int) -> tuple[int, int, int]:
    """(start, end, row) of the piece with the most of the stretch; NONE three times where there is none."""
    first = int(np.searchsorted(pieces[1], start_ns, side="right"))
    last = int(np.searchsorted(pieces[0], end_ns, side="left"))
    if first >= last:
        return NONE, NONE, NONE
    inside_ns: Int64s = np.minimum(pieces[1][first:last], end_ns) - np.maximum(pieces[0][first:last], start_ns)
    row = first + int(np.argmax(inside_ns))
    return int(pieces[0][row]), int(pieces[1][row]), row
