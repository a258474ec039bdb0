"""The runs of a program under trial: of the session that takes the most time, those that are to be timed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.runs.run_times import compute_runs
from ortprobe.timeline import NONE, Int64s, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRuns:
    """The timed runs of one session, in the order of their start."""

    session: int
    """Serial number in its process: the same program makes the same sessions in the same order."""
    latency_ns: Int64s
    """Call to return."""
    pace_ns: Int64s
    """From one run's start to that of the next one of the same thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRuns:
    """What one process of a program did with its sessions."""

    sessions: tuple[SessionRuns, ...]
    """By serial number."""
    runs: int
    """All of them, timed or not."""
    providers: tuple[str, ...]
    """Of all its sessions."""
    creation_ns: int | None
    """The first session's constructor."""
    first_run_ns: int | None

    def times_ns(self, session: int, *, pace: bool) -> Int64s:
        """Of one session; empty where it has none."""
        for each in self.sessions:
            if each.session == session:
                return each.pace_ns if pace else each.latency_ns
        return np.empty(0, np.int64)


def program_runs(timeline: Timeline, warmup: int) -> ProgramRuns:
    """The runs of each session but the first `warmup`, and never the first of all."""
    times, runs = compute_runs(timeline), timeline.runs
    timed = (times.index_in_session >= max(warmup, 1)) & ~times.failed & (runs.session != NONE)
    paced = timed & times.steady_period
    sessions = []
    for session in np.unique(runs.session[runs.session != NONE]).tolist():
        rows = np.flatnonzero(runs.session == session)
        rows = rows[np.argsort(runs.start_ns[rows], kind="stable")]
        sessions.append(
            SessionRuns(
                session=session,
                latency_ns=times.latency_ns[rows[timed[rows]]],
                pace_ns=times.period_ns[rows[paced[rows]]],
            )
        )
    made = [session for session in timeline.sessions if not session.error]
    return ProgramRuns(
        sessions=tuple(sessions),
        runs=len(runs),
        providers=tuple(dict.fromkeys(provider for session in made for provider in session.providers)),
        creation_ns=made[0].end_ns - made[0].start_ns if made else None,
        first_run_ns=times.first_ns,
    )


def dearest_session(processes: tuple[ProgramRuns, ...]) -> int | None:
    """The session whose timed runs take the most time in these processes together; None without such runs."""
    whole_ns: dict[int, int] = {}
    for process in processes:
        for each in process.sessions:
            whole_ns[each.session] = whole_ns.get(each.session, 0) + int(each.latency_ns.sum())
    spent = {session: took_ns for session, took_ns in whole_ns.items() if took_ns}
    return max(spent, key=lambda session: spent[session], default=None)
