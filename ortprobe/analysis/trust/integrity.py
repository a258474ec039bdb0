"""What the capture can't show, and what tracing did to the program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.runs.run_times import HOOKS_ALONE, ORT_AND_TORCH, TORCH_ALONE, RunTimes, median_ns
from ortprobe.analysis.trust.claims import LOST_WORK_SHARE, Claim, Objection, objections_to
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import NONE, Bools, Problem, ProblemKind, Timeline


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether something can be said; each objection names a problem that forbids it."""

    objections: tuple[Objection, ...]

    @property
    def yes(self) -> bool:
        return not self.objections

    @property
    def why_not(self) -> str:
        """The reasons, as one clause; empty when it can be said."""
        return "; ".join(dict.fromkeys(objection.reason for objection in self.objections))


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """`ok` when nothing that a verdict rests on is missing."""

    ok: bool
    problems: tuple[Problem, ...]
    undermining: tuple[Problem, ...]
    """Those of the problems because of which no verdict is possible."""
    objections: tuple[Objection, ...]
    """What the problems make unsayable, in their order."""
    sync_calls: int
    """Waits that the program made, as CUDA calls."""
    sync_resolved: int
    """Those whose other side the trace names."""

    def can_say(self, claim: Claim, start_ns: int | None = None, end_ns: int | None = None) -> Answer:
        """Whether a claim can be made about the whole capture, or about the stretch [start_ns, end_ns] of it.

        Both bounds or none. A problem that lies elsewhere does not forbid a claim about a stretch.
        """
        if start_ns is None or end_ns is None:
            return Answer(tuple(each for each in self.objections if each.claim is claim and each.whole))
        near = (each for each in self.objections if each.problem.concerns(start_ns, end_ns))
        return Answer(tuple(each for each in near if each.claim is claim))


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What tracing cost: median run with everything attached, with torch's profiler alone, with the hooks alone."""

    traced_median_ns: int | None
    torch_only_median_ns: int | None
    untraced_median_ns: int | None
    ratio: float | None
    """Traced over untraced; None when one of them was not measured."""
    hook_cost_ns: int | None
    """What the hooks add to one run call."""


UNDERMINING = frozenset(
    {
        ProblemKind.CUT_OFF,
        ProblemKind.EMPTY_SOURCE,
        ProblemKind.PROFILE_TRUNCATED,
        ProblemKind.UNREADABLE_RECORDS,
        ProblemKind.CLOCK_DOUBT,
        ProblemKind.CLOCK_STEPPED,
        ProblemKind.WORK_BEFORE_LAUNCH,
        ProblemKind.WORK_AFTER_SYNC,
        ProblemKind.IMPOSSIBLE_TIMES,
        ProblemKind.CORRELATION_REUSED,
    }
)
"""Problems that make figures wrong: events are missing that nobody can count, or two sources don't share a clock.

The other kinds leave what is there true, and the rules that need what is missing say that they can't judge.
"""
_LOSSES = frozenset(
    {
        ProblemKind.LOST_HEAD,
        ProblemKind.LOST_TAIL,
        ProblemKind.LAUNCHES_WITHOUT_WORK,
        ProblemKind.UNREADABLE_EVENTS,
    }
)
"""Problems that undermine a verdict together, above `LOST_WORK_SHARE` of all work."""
FEWEST_TO_COMPARE = 3
"""Runs of each kind that a comparison of medians needs."""


def compute_integrity(timeline: Timeline, waits: WaitTimes) -> Integrity:
    """What is wrong with the capture, the problems that undermine verdicts first."""
    problems = (*timeline.problems, *_own_checks(timeline))
    lost = sum(problem.count for problem in problems if problem.kind in _LOSSES)
    too_much_lost = lost > LOST_WORK_SHARE * len(timeline.device_ops.span)
    undermining = tuple(problem for problem in problems if _undermines(timeline, problem, too_much_lost))
    ordered = undermining + tuple(problem for problem in problems if problem not in undermining)
    return Integrity(
        ok=not undermining,
        problems=ordered,
        undermining=undermining,
        objections=tuple(objection for problem in ordered for objection in objections_to(timeline, problem)),
        sync_calls=len(waits),
        sync_resolved=len(waits) - waits.unresolved,
    )


def compute_overhead(timeline: Timeline, runs: RunTimes) -> Overhead:
    """Medians of steady runs by what was attached to them, over runs that can be compared.

    A program does other things around other runs, so like is compared with like: the steady runs of one session that
    one line of the program made, of the session and line with the most of both kinds. Where no line made both, the
    medians are those of all steady runs and the ratio is None.
    """
    steady = (runs.index_in_session > 0) & ~runs.failed
    alike = _alike(timeline, runs, steady)
    shown = steady if alike is None else alike
    torch_ns = median_ns(runs.latency_ns[shown & (runs.attached == TORCH_ALONE)])
    traced_ns = median_ns(runs.latency_ns[shown & (runs.attached == ORT_AND_TORCH)])
    untraced_ns = median_ns(runs.latency_ns[shown & (runs.attached == HOOKS_ALONE)])
    return Overhead(
        traced_median_ns=traced_ns,
        torch_only_median_ns=torch_ns,
        untraced_median_ns=untraced_ns,
        ratio=traced_ns / untraced_ns if alike is not None and traced_ns and untraced_ns else None,
        hook_cost_ns=timeline.capture.hook_cost_ns,
    )


def _alike(timeline: Timeline, runs: RunTimes, steady: Bools) -> Bools | None:
    """The steady runs of the session and line with the most runs both traced and untraced; None without such a line."""
    hooked = timeline.runs.hook_span != NONE
    site = np.full(len(hooked), NONE, np.int64)
    site[hooked] = timeline.hooks.site[timeline.hooks.rows_of(timeline.runs.hook_span[hooked])]
    origin = timeline.runs.session.astype(np.int64) << 32 | (site & 0xFFFFFFFF)
    best, most = None, FEWEST_TO_COMPARE - 1
    for value in np.unique(origin[steady]).tolist():
        group = steady & (origin == value)
        both = min(int((group & (runs.attached == kind)).sum()) for kind in (ORT_AND_TORCH, HOOKS_ALONE))
        if both > most:
            best, most = group, both
    return best


def _own_checks(timeline: Timeline) -> tuple[Problem, ...]:
    if len(timeline.runs):
        return ()
    return (Problem(kind=ProblemKind.NOT_CAPTURED, detail="no inference of ONNX Runtime was recorded"),)


def _undermines(timeline: Timeline, problem: Problem, too_much_lost: bool) -> bool:
    if problem.kind in _LOSSES:
        return too_much_lost
    return problem.kind in UNDERMINING or (problem.kind is ProblemKind.NOT_CAPTURED and not len(timeline.runs))
