"""What the capture can't show."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.analysis.trust.claims import LOST_WORK_SHARE, Claim, Objection, objections_to
from ortprobe.analysis.waits.wait_times import WaitTimes
from ortprobe.timeline import Problem, ProblemKind, Timeline


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


def _own_checks(timeline: Timeline) -> tuple[Problem, ...]:
    if len(timeline.runs):
        return ()
    return (Problem(kind=ProblemKind.NOT_CAPTURED, detail="no inference of ONNX Runtime was recorded"),)


def _undermines(timeline: Timeline, problem: Problem, too_much_lost: bool) -> bool:
    if problem.kind in _LOSSES:
        return too_much_lost
    return problem.kind in UNDERMINING or (problem.kind is ProblemKind.NOT_CAPTURED and not len(timeline.runs))
