"""Where what was compared lies in the timeline of one side: the mark that shows most of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ortprobe.analysis.comparison.node_matches import MatchedNode
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.waits.roles import ROLES, WaitRole
from ortprobe.analysis.waits.wait_times import WAITERS, Waiter
from ortprobe.report.html.side import Side
from ortprobe.timeline import NONE, Int32s, Int64s


class Places:
    """Keys of marks on the page; empty for what this side has none of."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def node(self, nodes: Sequence[MatchedNode]) -> str:
        """The longest device work of the first of these nodes, or its longest execution."""
        rows = (row for node in nodes for row in node.rows[0] if row in self._spans_of_nodes)
        return self._key("s", self._spans_of_nodes.get(next(rows, NONE)))

    def kernel(self, name: str) -> str:
        """The longest execution of a kernel, copy or fill."""
        return self._key("s", self._spans_of_work.get(name))

    def idle(self, cause: IdleCause) -> str:
        """The longest piece of idle time with this cause."""
        return self._key("i", self._pieces.get(CAUSES.index(cause)))

    def wait(self, waiter: Waiter, role: WaitRole) -> str:
        """The longest such wait."""
        return self._key("w", self._waits.get((WAITERS.index(waiter), ROLES.index(role))))

    def _key(self, letter: str, number: int | None) -> str:
        return "" if number is None else self.side.key(f"{letter}{number}")

    @cached_property
    def _spans_of_nodes(self) -> dict[int, int]:
        timeline = self.side.timeline
        executed, ops = timeline.node_spans, timeline.device_ops.span
        duration_ns = timeline.spans.duration_ns
        found = _longest(executed.node, executed.span, duration_ns[executed.span])
        return found | _longest(timeline.links.node[ops], ops, duration_ns[ops])

    @cached_property
    def _spans_of_work(self) -> dict[str, int]:
        timeline = self.side.timeline
        ops = timeline.device_ops.span
        longest = _longest(timeline.spans.name[ops], ops, timeline.spans.duration_ns[ops])
        return {timeline.names[name]: span for name, span in longest.items()}

    @cached_property
    def _pieces(self) -> dict[int, int]:
        devices = [device.columns for device in self.side.judgement.analyses.idle.devices]
        if not devices:
            return {}
        cause = np.concatenate([each.piece_cause for each in devices])
        length_ns = np.concatenate([each.piece_end_ns - each.piece_start_ns for each in devices])
        return _longest(cause, np.arange(len(cause)), length_ns)

    @cached_property
    def _waits(self) -> dict[tuple[int, int], int]:
        waits = self.side.judgement.analyses.waits
        kind = waits.waiter.astype(np.int64) * len(ROLES) + waits.role
        longest = _longest(kind, np.arange(len(waits)), np.maximum(waits.stall_ns, waits.end_ns - waits.start_ns))
        return {divmod(each, len(ROLES)): wait for each, wait in longest.items()}


def _longest(group: Int32s | Int64s, numbers: Int32s | Int64s, length_ns: Int64s) -> dict[int, int]:
    """Of each group the number of its longest member."""
    order = np.lexsort((length_ns, group))
    ordered = group[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(order) else order
    return dict(zip(ordered[last].tolist(), numbers[order[last]].tolist(), strict=True))
