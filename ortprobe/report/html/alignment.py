"""Where two captures are laid over each other: at the begin of a run that stands for the others of its session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.timeline import NONE, Bools

_RUNS_SHOWN = 4
_MOST_LATENCIES = 10
"""Runs that come as rarely as this are not shown at first: the one that stands for them would be lost among nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Two runs whose begins are one moment of the page's axis."""

    before: int
    """Row in the `Timeline.runs` of the first capture."""
    after: int
    """Row in those of the second."""


def align(before: Analyses, after: Analyses, sessions: Sequence[tuple[int, int]]) -> Alignment | None:
    """The median steady run of a session that both captures have; else its median run.

    That of the first pair of `sessions` (before, after) that has such runs on both sides. None where no pair has.
    """
    for chosen_before, chosen_after in zip(_kinds(before), _kinds(after), strict=True):
        for session_before, session_after in sessions:
            first = _median_run(before, chosen_before, session_before)
            second = _median_run(after, chosen_after, session_after)
            if first is not None and second is not None:
                return Alignment(before=first, after=second)
    return None


def stretch_from(analyses: Analyses, run: int) -> tuple[int, int]:
    """(start, end) in ns of a run and a few that follow it in its session, with some room before it."""
    runs, times = analyses.timeline.runs, analyses.runs
    latency_ns = max(1, int(times.latency_ns[run]))
    start_ns, last = int(runs.start_ns[run]), run
    for _ in range(_RUNS_SHOWN - 1):
        following = int(times.next_run[last])
        if following == NONE or runs.end_ns[following] - start_ns > _MOST_LATENCIES * latency_ns:
            break
        last = following
    return start_ns - latency_ns // 3, int(runs.end_ns[last]) + latency_ns // 3


def _kinds(analyses: Analyses) -> Iterator[Bools]:
    yield analyses.runs.steady
    yield ~analyses.runs.failed


def _median_run(analyses: Analyses, chosen: Bools, session: int) -> int | None:
    mine = np.flatnonzero(chosen & (analyses.timeline.runs.session == session))
    if not len(mine):
        return None
    by_latency = mine[np.argsort(analyses.runs.latency_ns[mine], kind="stable")]
    return int(by_latency[(len(mine) - 1) // 2])
