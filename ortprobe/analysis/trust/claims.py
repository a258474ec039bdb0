"""What can be said about a capture, and which of its problems forbid it.

`UNSAYABLE` is the one place that connects the two. A problem forbids a claim about the whole capture when it takes more
than a share of what the claim rests on. One that is confined to a stretch forbids claims about that stretch, however
small its share, and none about other stretches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ortprobe.timeline import Problem, ProblemKind, Timeline


class Claim(StrEnum):
    """A kind of statement that rules and reports make."""

    LATENCY = "latency"
    """How long calls took: runs, creations, and what tracing added."""
    GPU_TIME = "gpu-time"
    """How long the GPU worked: in all, and for one run."""
    NODE_TIME = "node-time"
    """How long the GPU, or the host, worked for one ONNX node."""
    IDLE = "idle"
    """When the GPU had nothing to do, and why."""
    WAITS = "waits"
    """Who waited for whom, and how long."""
    ORDER = "order"
    """What happened before what: whether an input was written before it was read."""
    CALLS = "calls"
    """That the program did not call something: sessions made, buffers bound, options given."""
    COUNTS = "counts"
    """How many runs, kernels or executions of nodes there were."""


def _device_work(timeline: Timeline) -> int:
    return len(timeline.device_ops.span)


def _waits(timeline: Timeline) -> int:
    return len(timeline.waits.span)


def _runs(timeline: Timeline) -> int:
    return len(timeline.runs)


def _spans(timeline: Timeline) -> int:
    return len(timeline.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """Why a problem forbids a claim, and how much of it does."""

    claim: Claim
    reason: str
    """A clause that goes on after "because"."""
    above: float = 0.0
    """The problem forbids the claim about the whole capture when it counts more than this share …"""
    of: Callable[[Timeline], int] = _device_work
    """… of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """One problem that forbids one claim."""

    claim: Claim
    problem: Problem
    reason: str
    whole: bool
    """Whether about the whole capture; otherwise about the problem's own stretch alone."""


LOST_WORK_SHARE = 0.01
"""Work lost or misattributed below this share moves no figure of the whole. Kineto loses a few launches' work at the
start of each profiling session (pytorch issue 192021)."""
UNKNOWN_WAITS_SHARE = 0.5
"""Each wait that is not resolved says so by itself; when most are, the sum says nothing."""


def objections_to(timeline: Timeline, problem: Problem) -> tuple[Objection, ...]:
    """What a problem forbids, about the whole capture or in its stretch."""
    bounded = problem.start_ns is not None or problem.end_ns is not None
    found = []
    for ban in UNSAYABLE.get(problem.kind, ()):
        whole = problem.count > ban.above * ban.of(timeline) if ban.above else True
        if whole or bounded:
            found.append(Objection(claim=ban.claim, problem=problem, reason=ban.reason, whole=whole))
    return tuple(found)


def _lost(reason: str, *claims: Claim, above: float = LOST_WORK_SHARE) -> tuple[Ban, ...]:
    return tuple(Ban(claim=claim, reason=reason, above=above) for claim in claims)


def _all(reason: str, *claims: Claim) -> tuple[Ban, ...]:
    return tuple(Ban(claim=claim, reason=reason) for claim in claims)


def _of_waits(reason: str) -> tuple[Ban, ...]:
    return (Ban(claim=Claim.WAITS, reason=reason, above=UNKNOWN_WAITS_SHARE, of=_waits),)


def _of_runs(reason: str, *claims: Claim) -> tuple[Ban, ...]:
    return tuple(Ban(claim=claim, reason=reason, above=LOST_WORK_SHARE, of=_runs) for claim in claims)


_ON_GPU = (Claim.GPU_TIME, Claim.NODE_TIME, Claim.IDLE)

UNSAYABLE: Mapping[ProblemKind, tuple[Ban, ...]] = {
    ProblemKind.CUT_OFF: _all(
        "a file ends in the middle, and nobody knows what else was in it", *_ON_GPU, Claim.WAITS, Claim.COUNTS
    ),
    ProblemKind.EMPTY_SOURCE: _all(
        "the profile that would say which node it was is empty or can't be read", Claim.NODE_TIME, Claim.COUNTS
    ),
    ProblemKind.PROFILE_TRUNCATED: _all(
        "ONNX Runtime stopped recording nodes before the program was done", Claim.NODE_TIME, Claim.COUNTS
    ),
    ProblemKind.PROFILE_SHARED: _all(
        "two sessions wrote to one profile, and only the last one's nodes are whole", Claim.NODE_TIME, Claim.COUNTS
    ),
    ProblemKind.NO_END_MARK: _lost(
        "a trace may go on where the file ends", *_ON_GPU, Claim.COUNTS, above=1.0
    ),
    ProblemKind.UNKNOWN_SPANS: _lost(
        "spans of kinds that are not understood may be device work", Claim.GPU_TIME, Claim.IDLE
    ),
    ProblemKind.UNREADABLE_EVENTS: (
        *_lost("events can't be read, and any kernel or node may be among them", *_ON_GPU, Claim.WAITS, Claim.COUNTS),
        *_all("events can't be read, and the wait that orders two accesses may be among them", Claim.ORDER),
    ),
    ProblemKind.UNREADABLE_RECORDS: _all(
        "lines of the hook log can't be read, and any call may be in them", Claim.CALLS, Claim.ORDER, Claim.COUNTS
    ),
    ProblemKind.LOST_HEAD: _lost("the first kernels of a trace are missing", *_ON_GPU, Claim.COUNTS),
    ProblemKind.LOST_TAIL: _lost(
        "the last kernels of a trace are missing, and their time looks idle", *_ON_GPU, Claim.WAITS, Claim.COUNTS
    ),
    ProblemKind.LAUNCHES_WITHOUT_WORK: _lost(
        "kernels are missing, and their time looks idle", *_ON_GPU, Claim.COUNTS
    ),
    ProblemKind.WORK_WITHOUT_LAUNCH: _lost(
        "device work lacks the call that launched it, and with it its run and node", Claim.NODE_TIME
    ),
    ProblemKind.WORK_BEFORE_LAUNCH: _all(
        "device work begins before it was launched, so its times are wrong", *_ON_GPU, Claim.WAITS, Claim.ORDER
    ),
    ProblemKind.WORK_AFTER_SYNC: _all(
        "device work ends after a call that had waited for it, so its times are wrong",
        *_ON_GPU, Claim.WAITS, Claim.ORDER,
    ),
    ProblemKind.WAITS_UNRESOLVED: _of_waits("most waits don't say what they waited for"),
    ProblemKind.WAITS_DROPPED: _of_waits("most waits left no record"),
    ProblemKind.EVENT_RECORD_MISSING: _of_waits("most waits name an event that nobody recorded in the trace"),
    ProblemKind.WAITS_ON_FUTURE: (
        *_all("a wait names an event that was recorded after it", Claim.WAITS),
    ),
    ProblemKind.SYNC_WITHOUT_CALL: _of_waits("most waits lack the call and the thread that made them"),
    ProblemKind.NO_SYNC_RECORDS: _all("the trace holds no record of any wait", Claim.WAITS, Claim.ORDER),
    ProblemKind.NO_GPU_TRACE: _all("no device work was recorded", Claim.GPU_TIME, Claim.IDLE, Claim.WAITS),
    ProblemKind.DEVICES_MIXED: _all(
        "two GPUs have one number, and what they did is added up", Claim.GPU_TIME, Claim.IDLE
    ),
    ProblemKind.NO_ORT_PROFILE: _all("there is no profile that names the nodes", Claim.NODE_TIME),
    ProblemKind.CLOCK_DOUBT: _all(
        "two sources don't agree on the time, so what happened during what is not known",
        *_ON_GPU, Claim.ORDER,
    ),
    ProblemKind.CLOCK_STEPPED: _all(
        "the wall clock was set while the capture ran, and every time rests on it",
        Claim.LATENCY, *_ON_GPU, Claim.WAITS, Claim.ORDER,
    ),
    ProblemKind.IMPOSSIBLE_TIMES: _all("spans have times that can't be true", *_ON_GPU, Claim.WAITS),
    ProblemKind.SPANS_CROSS: (
        Ban(
            claim=Claim.NODE_TIME, reason="calls of one thread overlap, so which of them launched what is not known",
            above=LOST_WORK_SHARE, of=_spans,
        ),
    ),
    ProblemKind.CORRELATION_REUSED: _all(
        "two calls share a correlation id, so which of them launched what is not known",
        Claim.NODE_TIME, Claim.IDLE, Claim.WAITS, Claim.ORDER,
    ),
    ProblemKind.RUNS_WITHOUT_PROFILE: _all("runs are missing from ONNX Runtime's profile", Claim.COUNTS),
    ProblemKind.RUNS_WITHOUT_HOOK: _all(
        "no hook saw some of the runs, nor what was bound for them", Claim.CALLS, Claim.ORDER
    ),
    ProblemKind.FEWER_KERNELS: _of_runs("runs lack most of their kernels", Claim.COUNTS, *_ON_GPU),
    ProblemKind.FEWER_NODES: _of_runs("runs lack most of their nodes", Claim.COUNTS, Claim.NODE_TIME),
    ProblemKind.CALLS_LOST: _all("the hooks could not note every call", Claim.CALLS, Claim.ORDER),
    ProblemKind.RECORDS_DROPPED: _all("CUPTI dropped records for want of buffers", Claim.COUNTS),
    ProblemKind.KILLED: _all("the program was killed, and what was still open was never written", Claim.COUNTS),
}  # fmt: skip
"""What is not here (`NOT_CAPTURED`) says in its own words what is missing, and forbids nothing by itself."""
