"""Device work by the host's call that launched it."""

from __future__ import annotations

import numpy as np

from ortprobe.timeline import NONE, Timeline
from ortprobe.timeline.groups import rows_by_value


class LaunchedWork:
    """Device work, thread by thread in the order of its launches."""

    def __init__(self, timeline: Timeline) -> None:
        self._spans = timeline.spans
        ops = timeline.device_ops.span
        launch = timeline.links.launch[ops]
        launched = launch != NONE
        order = np.argsort(self._spans.start_ns[launch[launched]], kind="stable")
        ops, launch = ops[launched][order], launch[launched][order]
        self._of_lane = {
            lane: (ops[rows], self._spans.start_ns[launch[rows]])
            for lane, rows in rows_by_value(self._spans.lane[launch])
        }

    def within(self, host_span: int) -> list[int]:
        """What was launched inside a span of the host, on its thread, in order."""
        if int(self._spans.lane[host_span]) not in self._of_lane:
            return []
        ops, launch_ns = self._of_lane[int(self._spans.lane[host_span])]
        first, past = np.searchsorted(launch_ns, (self._spans.start_ns[host_span], self._spans.end_ns[host_span]))
        return [int(span) for span in ops[first:past]]
