"""Whether accesses to bound memory are ordered: each pair that has to be, with a verdict and how it came out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.coverage import watched_windows
from ortprobe.analysis.races.accesses import MemoryAccess
from ortprobe.analysis.races.order import Hazard, check_order
from ortprobe.analysis.races.steps import Certainty, EventSync, Program, Step, StreamSync, StreamWait
from ortprobe.analysis.races.trace_steps import program_of
from ortprobe.analysis.races.unseen_memory import all_accesses
from ortprobe.timeline import NONE, Kind, ProblemKind, Timeline


class Verdict(StrEnum):
    """Whether two accesses to the same memory are ordered."""

    OK = "ok"
    """They are, by what CUDA and Python document."""
    FRAGILE = "fragile"
    """By what CUDA does and does not promise."""
    UNVERIFIABLE = "unverifiable"
    """The capture lacks what would tell."""
    RACE = "race"
    """Nothing orders them."""


class Unknown(StrEnum):
    """What would have to be known to tell."""

    WAITS = "waits"
    """A wait between the two does not say what it waited for, or asked without the answer being recorded."""
    THREADS = "threads"
    """Two threads made the calls, and no hand-over between them was seen."""
    FLAGS = "flags"
    """Whether a stream orders itself with the legacy default stream."""
    STREAMS = "streams"
    """Which of the run's streams reads the buffer: not all of them are ordered."""
    PART = "part"
    """Which part of the memory an operation of torch touches."""
    RANGES = "ranges"
    """Whether the two touch the same memory at all: without hooks nothing says who touches what."""
    RECORDS = "records"
    """The trace lacks records of waits, or lost some, so that one may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedPair:
    """Two accesses to the same memory, of which one writes."""

    first: MemoryAccess
    second: MemoryAccess
    hazard: Hazard
    verdict: Verdict
    unknown: Unknown | None
    """What an UNVERIFIABLE one lacks; None for others."""
    slack_ns: int
    """From the end of the first to the begin of the second; negative where they overlapped. A race with some slack came
    out right, this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryOrder:
    """All pairs, in the order of their second accesses."""

    pairs: tuple[OrderedPair, ...]
    waits: int
    """Calls that wait for a stream or an event."""
    resolved: int
    """Those of them whose other side is known."""
    accesses: int

    def of_verdict(self, verdict: Verdict) -> tuple[OrderedPair, ...]:
        return tuple(pair for pair in self.pairs if pair.verdict is verdict)


def compute_races(timeline: Timeline) -> MemoryOrder:
    """Order all accesses that were seen to memory that was bound to a session.

    What it rests on: the ranges that hooks saw, the calls and synchronisation records of torch's trace, and the
    hand-overs between threads. Without a hook log there are no ranges: each run and torch's work before and behind it
    are a pair then, which can be found ordered, and not to race. Two accesses of which one lies in another window of
    torch's profiler than the other are no pair: what ordered them, or came between, was not seen.
    """
    accesses = all_accesses(timeline)
    if not accesses.found:
        return MemoryOrder(pairs=(), waits=0, resolved=0, accesses=0)
    program, windows = program_of(timeline, accesses), _Windows(timeline)
    judge = _Judge(timeline, program)
    levels: dict[tuple[int, int, Hazard], list[Certainty | None]] = {}
    for pair in check_order(program):
        levels.setdefault((pair.first, pair.second, pair.hazard), []).append(pair.ordered)
    found = accesses.found
    pairs = tuple(
        judge.pair(found[first], found[second], hazard, seen)
        for (first, second, hazard), seen in levels.items()
        if windows.hold(found[first], found[second])
    )
    known = list(_are_known(program))
    return MemoryOrder(pairs=pairs, waits=len(known), resolved=sum(known), accesses=len(found))


class _Windows:
    """The windows of torch's profiler, each process's own."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        processes = {lane.process for lane in timeline.lanes}
        self._of_process = {process: watched_windows(timeline, process) for process in processes}

    def hold(self, first: MemoryAccess, second: MemoryAccess) -> bool:
        """Whether one window saw both calls, and all between them."""
        window = self._window(first.end)
        return window != NONE and window == self._window(second.begin)

    def _window(self, span: int) -> int:
        call = _made_by(self._timeline, span)
        start_ns, end_ns = self._of_process[self._timeline.lane_of(call).process]
        at_ns = self._timeline.spans.start_ns[call]
        at = int(np.searchsorted(start_ns, at_ns, side="right")) - 1
        return at if at >= 0 and at_ns <= end_ns[at] else NONE


class _Judge:
    def __init__(self, timeline: Timeline, program: Program) -> None:
        self._timeline, kinds = timeline, {problem.kind for problem in timeline.problems}
        self._has_no_records = ProblemKind.NO_SYNC_RECORDS in kinds
        self._may_lack_records = self._has_no_records or ProblemKind.RECORDS_DROPPED in kinds
        self._knows_all_waits = all(_are_known(program)) and not any(map(_is_question, program.steps))
        self._knows_all_flags = all(about.is_blocking is not None or about.is_legacy for about in program.streams)

    def pair(
        self, first: MemoryAccess, second: MemoryAccess, hazard: Hazard, levels: Iterable[Certainty | None]
    ) -> OrderedPair:
        spans = self._timeline.spans
        verdict, unknown = self._verdict(first, second, set(levels))
        return OrderedPair(
            first=first,
            second=second,
            hazard=hazard,
            verdict=verdict,
            unknown=unknown,
            slack_ns=int(spans.start_ns[second.begin] - spans.end_ns[first.end]),
        )

    def _verdict(
        self, first: MemoryAccess, second: MemoryAccess, levels: set[Certainty | None]
    ) -> tuple[Verdict, Unknown | None]:
        """Of several streams that an access may be on, all have to say the same."""
        if None in levels:
            doubt = Unknown.STREAMS if levels != {None} else self._doubt(first, second)
            return (Verdict.RACE, None) if doubt is None else (Verdict.UNVERIFIABLE, doubt)
        if Certainty.OPTIMISTIC in levels:
            return Verdict.UNVERIFIABLE, self._unknown(first, second)
        is_one_stream = self._timeline.spans.lane[first.end] == self._timeline.spans.lane[second.begin]
        if self._has_no_records and not is_one_stream:
            return Verdict.UNVERIFIABLE, Unknown.RECORDS
        if levels == {Certainty.STRICT}:
            return Verdict.OK, None
        return (Verdict.FRAGILE, None) if self._timeline.capture.hooked else (Verdict.UNVERIFIABLE, Unknown.RANGES)

    def _doubt(self, first: MemoryAccess, second: MemoryAccess) -> Unknown | None:
        """Why two accesses that nothing orders need not race."""
        if self._may_lack_records:
            return Unknown.RECORDS
        if not self._timeline.capture.hooked:
            return Unknown.RANGES
        return None if first.is_exact and second.is_exact else Unknown.PART

    def _unknown(self, first: MemoryAccess, second: MemoryAccess) -> Unknown:
        """The likeliest of what optimists assume."""
        if self._may_lack_records:
            return Unknown.RECORDS
        if self._thread_of(first.end) != self._thread_of(second.begin):
            return Unknown.THREADS
        return Unknown.WAITS if not self._knows_all_waits or self._knows_all_flags else Unknown.FLAGS

    def _thread_of(self, span: int) -> int:
        return int(self._timeline.spans.lane[_made_by(self._timeline, span)])


def _made_by(timeline: Timeline, span: int) -> int:
    """The call of the host behind device work; a span of the host itself."""
    launch = int(timeline.links.launch[span])
    return span if launch == NONE else launch


def _are_known(program: Program) -> Iterator[bool]:
    """For each call that waits, whether what it waits for is known. Queries are none."""
    for step in program.steps:
        if isinstance(step, StreamWait):
            yield step.stream is not None and step.event is not None
        elif isinstance(step, EventSync) and step.certainty is Certainty.STRICT:
            yield step.event is not None
        elif isinstance(step, StreamSync) and step.certainty is Certainty.STRICT:
            yield step.stream is not None


def _is_question(step: Step) -> bool:
    return isinstance(step, EventSync | StreamSync) and step.certainty is Certainty.OPTIMISTIC


def has_device_bindings(timeline: Timeline) -> bool:
    """Whether the capture holds device work and runs with bindings, so that there is an order to look for."""
    binds = any(timeline.names[number].startswith("bind_") for number in np.unique(timeline.hooks.what).tolist())
    return binds and bool(len(timeline.spans.of_kind(Kind.KERNEL)))
