"""On which threads a session ran, and what the first run on each of them paid for its stream, handles and memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.sessions.arena_growth import ArenaGrowth
from ortprobe.analysis.sessions.host_parts import PARTS, HostPart, Stretches, host_pieces
from ortprobe.timeline import NONE, Bools, Int64s, Kind, Timeline
from ortprobe.timeline.groups import rows_by_value

MADE_FOR_A_THREAD = (HostPart.HANDLE, HostPart.ALLOCATION)
"""What a run does on a thread that the session has not seen: onnxruntime pools streams by thread (1.30 and later), and
each comes with cuBLAS and cuDNN handles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunThreads:
    """The runs of one session that did not raise, in time order."""

    session: int
    runs: Int64s
    """Rows in `Timeline.runs`."""
    on_new_thread: Bools
    """For each of them, whether it was the first on its thread. The session's first run counts as none."""
    threads: int
    set_up_ns: int | None
    """What such runs spent in calls that make streams and events or allocate memory, summed; None where no GPU trace
    watched one of them."""
    set_up_runs: Int64s
    """Those of them that were watched, and have CUDA calls in the trace: where threads come and go, CUPTI knows several
    by one id, and their calls may find no run."""
    growth_bytes: int
    """By how much memory arenas grew in such runs, as far as ORT's profile says."""


def compute_run_threads(timeline: Timeline, times: RunTimes, growth: ArenaGrowth) -> tuple[RunThreads, ...]:
    """One for each session that has runs."""
    traced, called = gpu_traced(timeline), np.zeros(len(timeline.runs) + 1, np.bool_)
    called[timeline.links.run[timeline.spans.of_kind(Kind.CUDA_CALL)]] = True
    found = []
    for session, rows in rows_by_value(timeline.runs.session):
        own = rows[~times.failed[rows]]
        if session == NONE or not len(own):
            continue
        lanes = timeline.runs.lane[own]
        on_new = np.zeros(len(own), np.bool_)
        on_new[np.unique(lanes, return_index=True)[1]] = True
        on_new[0] = False
        watched = own[on_new & traced[own] & called[own]]
        found.append(
            RunThreads(
                session=session,
                runs=own,
                on_new_thread=on_new,
                threads=len(np.unique(lanes)),
                set_up_ns=_set_up_ns(timeline, watched) if len(watched) else None,
                set_up_runs=watched,
                growth_bytes=int(growth.growth_bytes[own[on_new]].sum()),
            )
        )
    return tuple(found)


def _set_up_ns(timeline: Timeline, watched: Int64s) -> int:
    runs = timeline.runs
    stretches = Stretches(lane=runs.lane[watched], start_ns=runs.start_ns[watched], end_ns=runs.end_ns[watched])
    by_part = host_pieces(timeline, stretches).by_part(len(watched)).sum(axis=0)
    return int(sum(by_part[PARTS.index(part)] for part in MADE_FOR_A_THREAD))
