"""Which runs of a program are timed, on captures of real ones."""

from __future__ import annotations

import captures
import numpy as np

from ortprobe.analysis.trials.program_runs import dearest_session, program_runs


def test_runs_are_timed_from_the_warmup_on() -> None:
    timeline = captures.example("set-providers").timeline
    found = program_runs(timeline, warmup=3)
    assert len(found.sessions) == len(timeline.sessions) == 2
    assert found.runs == len(timeline.runs)
    for each in found.sessions:
        rows = np.flatnonzero(timeline.runs.session == each.session)
        starts, ends = timeline.runs.start_ns[rows], timeline.runs.end_ns[rows]
        assert each.latency_ns.tolist() == (ends - starts)[3:].tolist()
        assert set(each.pace_ns.tolist()) <= set(np.diff(starts).tolist())
        assert len(each.pace_ns) > 0
    assert found.first_run_ns == int(timeline.runs.end_ns[0] - timeline.runs.start_ns[0])
    assert found.creation_ns == timeline.sessions[0].end_ns - timeline.sessions[0].start_ns
    assert "CUDAExecutionProvider" in found.providers


def test_the_first_run_is_never_timed() -> None:
    timeline = captures.example("healthy").timeline
    (session,) = program_runs(timeline, warmup=0).sessions
    assert len(session.latency_ns) == len(timeline.runs) - 1


def test_the_session_that_takes_most_is_the_one() -> None:
    found = program_runs(captures.service(), warmup=1)
    whole = {each.session: int(each.latency_ns.sum()) for each in found.sessions}
    assert len(whole) == 2
    assert dearest_session((found,)) == max(whole, key=lambda session: whole[session])
    assert len(found.times_ns(max(whole) + 1, pace=False)) == 0


def test_without_runs_to_time_there_is_no_session() -> None:
    timeline = captures.example("healthy").timeline
    assert dearest_session((program_runs(timeline, warmup=10_000),)) is None
    assert dearest_session(()) is None
