"""Torch's own memory, which no hook names: whatever work on one stream wrote there, work on any other may read."""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.races.accesses import Accesses, MemoryAccess
from ortprobe.timeline import NONE, Timeline


def with_unseen_memory(timeline: Timeline, accesses: Accesses) -> int:
    """Add an access for each piece of device work outside of runs to memory that stands for what nobody saw. Gives how
    many accesses there were before.

    Each stream has one byte, at a negative address, that its work writes and the work of all others reads. Two pieces
    of work on different streams are then ordered if and only if the later one's read is behind the earlier one's write.
    """
    seen, ops = len(accesses.found), timeline.device_ops.span
    work = ops[(timeline.links.run[ops] == NONE) & (timeline.links.launch[ops] != NONE)]
    streams, number = np.unique(timeline.spans.lane[work], return_inverse=True)
    if len(streams) > 1:
        for span, stream in zip(work.tolist(), number.tolist(), strict=True):
            for start, past in ((0, stream), (stream + 1, len(streams))):
                if start < past:
                    accesses.add(_access(timeline, span, start, past, len(streams), writes=False), [span], [])
            accesses.add(_access(timeline, span, stream, stream + 1, len(streams), writes=True), [], [span])
    return seen


def _access(timeline: Timeline, span: int, first: int, past: int, streams: int, *, writes: bool) -> MemoryAccess:
    return MemoryAccess(
        what=timeline.name_of(span),
        run=NONE,
        buffer="",
        site=None,
        is_handed_over=False,
        writes=writes,
        is_exact=False,
        start=first - streams,
        past=past - streams,
        begin=span,
        end=span,
    )
