"""What is wrong with a capture, as facts: which kind of hole, how much of it, where it shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MOST_EVIDENCE = 20
"""Spans that one problem cites at most; its count says how many there are."""


class ProblemKind(StrEnum):
    """What can be wrong with a capture, as facts."""

    CUT_OFF = "cut-off"
    """A file ends in the middle."""
    NO_END_MARK = "no-end-mark"
    """A whole trace without what torch writes last: another tool may have taken a part out of it."""
    EMPTY_SOURCE = "empty-source"
    """An ORT profile that was never written, or holds nothing that can be read."""
    PROFILE_TRUNCATED = "profile-truncated"
    """ORT dropped events at its cap of 1,000,000."""
    PROFILE_SHARED = "profile-shared"
    """Two sessions wrote to one ORT profile: ORT names them by the millisecond."""
    UNREADABLE_EVENTS = "unreadable-events"
    """Events of a trace or a profile that are no JSON, or have values that no such event can have."""
    UNREADABLE_RECORDS = "unreadable-records"
    """Lines of the hook log that hold no record."""
    UNKNOWN_SPANS = "unknown-spans"
    """Spans of kinds that are not understood, such as another accelerator's."""
    LOST_HEAD = "lost-head"
    """The first launches of a torch trace have no work (pytorch issue 192021)."""
    LOST_TAIL = "lost-tail"
    """The last launches of a torch trace have no work: Kineto stops collecting at 128 MB (`Config.cpp`)."""
    LAUNCHES_WITHOUT_WORK = "launches-without-work"
    """Launches anywhere else in a trace."""
    WORK_WITHOUT_LAUNCH = "work-without-launch"
    WORK_BEFORE_LAUNCH = "work-before-launch"
    """Device work begins before the call that launched it."""
    WORK_AFTER_SYNC = "work-after-sync"
    """Device work ends after a call returned that had waited for it."""
    WAITS_UNRESOLVED = "waits-unresolved"
    """Synchronisation records that don't say whose event they wait for (kineto issue 1552)."""
    WAITS_DROPPED = "waits-dropped"
    """Calls of `cudaStreamWaitEvent` without a record: Kineto drops those of streams without work (issue 908)."""
    EVENT_RECORD_MISSING = "event-record-missing"
    """Waits for an event whose `cudaEventRecord` is not in the trace."""
    WAITS_ON_FUTURE = "waits-on-future"
    """Waits for an event that was recorded after the wait: the trace names the wrong record (kineto issue 1339)."""
    SYNC_WITHOUT_CALL = "sync-without-call"
    """Synchronisation records without the call that made them: libraries that use the driver's own calls."""
    NO_SYNC_RECORDS = "no-sync-records"
    NO_GPU_TRACE = "no-gpu-trace"
    DEVICES_MIXED = "devices-mixed"
    """Two processes have one number for two GPUs (`CUDA_VISIBLE_DEVICES`)."""
    NO_ORT_PROFILE = "no-ort-profile"
    CLOCK_DOUBT = "clock-doubt"
    CLOCK_STEPPED = "clock-stepped"
    IMPOSSIBLE_TIMES = "impossible-times"
    """Spans that end before they begin, last for days, or lie far outside of their trace."""
    SPANS_CROSS = "spans-cross"
    """Spans of one source on one thread that overlap and do not nest."""
    CORRELATION_REUSED = "correlation-reused"
    """Two CUDA calls of one process with one correlation id."""
    RUNS_WITHOUT_PROFILE = "runs-without-profile"
    """Runs that were made while ORT's profile was on, and are not in it."""
    RUNS_WITHOUT_HOOK = "runs-without-hook"
    """Runs in ORT's profile that no hook saw."""
    FEWER_KERNELS = "fewer-kernels"
    """Runs with far fewer kernels than other runs of the same session with the same input shapes."""
    FEWER_NODES = "fewer-nodes"
    """The same of ONNX nodes."""
    KILLED = "killed"
    """The traced program ended without saying so."""
    CALLS_LOST = "calls-lost"
    """The hooks could not note some calls, or could not be put in place."""
    RECORDS_DROPPED = "records-dropped"
    """CUPTI had no buffer for some records, and counted them."""
    NOT_CAPTURED = "not-captured"
    """The capture itself recorded that something is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A hole in the capture, or a doubt about it."""

    kind: ProblemKind
    """What kind of hole or doubt it is."""
    detail: str
    """What is wrong, in a sentence with its figures."""
    source: int | None = None
    """Index in `Timeline.sources`."""
    count: int = 1
    """How many spans, calls, events … it concerns."""
    evidence: tuple[int, ...] = ()
    """Spans that show it, the first `MOST_EVIDENCE` in time order; empty where something is missing altogether."""
    start_ns: int | None = None
    """Start of the stretch that it is confined to; None when it may be anywhere before the end."""
    end_ns: int | None = None
    """End of that stretch; None when it may be anywhere after the start."""

    def concerns(self, start_ns: int, end_ns: int) -> bool:
        """Whether it may concern any of the stretch [start_ns, end_ns]."""
        return (self.start_ns is None or self.start_ns <= end_ns) and (self.end_ns is None or self.end_ns >= start_ns)
