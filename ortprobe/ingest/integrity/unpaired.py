"""Runs that one of two witnesses did not see: the hooks, or ORT's profile."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.ingest.integrity.losses import with_stretch
from ortprobe.ingest.watched import cited
from ortprobe.timeline import NONE, Bools, Int32s, Problem, ProblemKind, Timeline


def find_unpaired_runs(timeline: Timeline) -> Iterator[Problem]:
    """Hooked runs without `model_run`, and `model_run`s without a hook, where both were watching."""
    runs = timeline.runs
    if not timeline.capture.hooked:
        return
    unprofiled = runs.hook_span[_watched(timeline) & (runs.run_span == NONE)]
    if len(unprofiled):
        detail = f"{len(unprofiled):,} runs were made while ONNX Runtime's profile was on, and are not in it"
        yield _problem(ProblemKind.RUNS_WITHOUT_PROFILE, detail, unprofiled)
    # Runs that were only counted have no call of their own in the log.
    unhooked = runs.run_span[(runs.hook_span == NONE) & (runs.run_span != NONE)]
    if len(unhooked) > timeline.capture.counted_runs:
        detail = f"{len(unhooked):,} runs are in ONNX Runtime's profile, and no hook saw the call that made them"
        yield _problem(ProblemKind.RUNS_WITHOUT_HOOK, detail, unhooked)


def _watched(timeline: Timeline) -> Bools:
    """Hooked runs that ended well, of sessions whose profile was read, up to where that profile is whole."""
    runs, spans = timeline.runs, timeline.spans
    truncated_ns = {
        problem.source: with_stretch(timeline, problem).start_ns
        for problem in timeline.problems
        if problem.kind is ProblemKind.PROFILE_TRUNCATED
    }
    read = np.zeros(len(timeline.sessions) + 1, np.bool_)
    until_ns = np.full(len(timeline.sessions) + 1, np.iinfo(np.int64).max)
    for session in timeline.sessions:
        read[session.index] = session.profile is not None
        if session.profile is not None and truncated_ns.get(session.profile) is not None:
            until_ns[session.index] = truncated_ns[session.profile]
    called = (runs.hook_span != NONE) & ((runs.attached & ATTACHED_ORT_PROFILE) != 0)
    failed = np.isin(runs.hook_span, timeline.hooks.span[timeline.hooks.failed])
    whole = read[runs.session] & (spans.end_ns[runs.hook_span] < until_ns[runs.session])
    return np.asarray(called & ~failed & whole)


def _problem(kind: ProblemKind, detail: str, spans: Int32s) -> Problem:
    return Problem(kind=kind, detail=detail, count=len(spans), evidence=cited(spans))
