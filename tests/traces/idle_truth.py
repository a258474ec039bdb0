"""Why each device was idle, nanosecond by nanosecond, read off the history of a program and not off its files.

The definitions are those of `ortprobe.analysis.idle.causes`; the times are the true ones. What a recording lacks (an
op of a thread that torch did not watch, a wait without its record, a session without a profile) nobody can know, so
that counts for nothing here either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from traces.history import NOTHING, Call, History, Interval
from traces.program import WorkKind
from traces.recording import Recorded, profile_interval
from traces.written import Written

from ortprobe.analysis.idle.causes import (
    ARRIVAL_NS,
    BACK_TO_BACK_NS,
    ENGINE_SWITCH_NS,
    EVENT_LATENCY_NS,
    FIRST_LAUNCH_NS,
    LATE_ARRIVAL_NS,
    IdleCause,
)

_ORT_BORDER_NS = 2_000
"""ORT writes whole microseconds, both start and length cut down."""
_LAUNCHES = ("cudaLaunchKernel", "cudaMemcpyAsync", "cudaMemsetAsync", "cudaGraphLaunch")
_OF_CALL = {
    "cudaStreamSynchronize": IdleCause.SYNC_WAIT,
    "cudaEventSynchronize": IdleCause.SYNC_WAIT,
    "cudaDeviceSynchronize": IdleCause.SYNC_WAIT,
    "cudaMalloc": IdleCause.ALLOCATION,
    "cudaFree": IdleCause.ALLOCATION,
    "cudaFuncGetAttributes": IdleCause.MODULE_LOADING,
}
_Doing = tuple[int, int, int, IdleCause]
"""(how much it outweighs, the less the more; start; end; cause)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueIdle:
    """The idle time of one device in all windows."""

    idle_ns: int
    by_cause: Counter[IdleCause]
    uncertain_ns: int
    """How much of it can pass between a node on the CPU and what is around it, since ORT's times are whole µs."""


def true_idle(written: Written, device: int) -> TrueIdle:
    """All idle time of one device while torch's profiler was attached."""
    by_cause: Counter[IdleCause] = Counter()
    idle_ns = uncertain_ns = 0
    for recorded in written.windows.values():
        reading = _Reading(written, recorded, device)
        for gap in reading.gaps():
            idle_ns += gap[1] - gap[0]
            for start_ns, end_ns, cause in reading.pieces(gap):
                by_cause[cause] += max(end_ns - start_ns, 0)
            uncertain_ns += reading.uncertain_ns(gap)
    return TrueIdle(idle_ns=idle_ns, by_cause=+by_cause, uncertain_ns=uncertain_ns)


class _Reading:
    def __init__(self, written: Written, recorded: Recorded, device: int) -> None:
        self._history: History = written.history
        self._written = written
        self._recorded = recorded
        self._device = device
        streams = self._history.program.streams
        self._works = [n for n in sorted(recorded.works) if streams[self._history.works[n].stream].device == device]

    def gaps(self) -> Iterator[Interval]:
        """When no stream of the device had work."""
        spans = list(self._spans())
        if not spans:
            return
        begin_ns, end_ns = min(start for start, _ in spans), max(end for _, end in spans)
        for start, end in self._history.device_busy(self._device):
            if begin_ns < end and start < end_ns:
                if start > begin_ns:
                    yield begin_ns, start
                begin_ns = max(begin_ns, end)
        if begin_ns < end_ns:
            yield begin_ns, end_ns

    def _spans(self) -> Iterator[Interval]:
        """All that the trace holds; from the first to the last of these somebody watched the device."""
        recorded, history = self._recorded, self._history
        yield from ((history.calls[n].start_ns, history.calls[n].end_ns) for n in recorded.calls)
        yield from ((history.works[n].start_ns, history.works[n].end_ns) for n in recorded.works)
        yield from ((history.ops[n].start_ns, history.ops[n].end_ns) for n in recorded.ops)
        for number in recorded.event_rows(self._written.recording):
            made = history.records[number]
            at_ns = max(made.at_ns, history.calls[made.call].start_ns)
            yield at_ns, at_ns + 1

    def pieces(self, gap: Interval) -> Iterator[tuple[int, int, IdleCause]]:
        """A gap in pieces with a cause; some may be empty."""
        ended_by = self._ended_by(gap)
        if ended_by == NOTHING:
            yield *gap, IdleCause.NO_MORE_WORK
            return
        work = self._history.works[ended_by]
        call = self._history.calls[work.call]
        if work.call not in self._recorded.calls:
            yield *gap, IdleCause.UNATTRIBUTED
        elif call.name == "cudaGraphLaunch" and ended_by - 1 in self._works_of(work.call):
            yield *gap, IdleCause.WITHIN_GRAPH
        else:
            late_ns = min(max(call.start_ns, gap[0]), gap[1])
            yield from self._of_host(gap[0], late_ns, call.thread)
            yield from self._of_launch(gap, late_ns, ended_by, call)

    def uncertain_ns(self, gap: Interval) -> int:
        borders = [
            border
            for execution, cause in self._executions()
            if cause is IdleCause.CPU_NODE
            for border in execution
            if gap[0] - _ORT_BORDER_NS <= border <= gap[1] + _ORT_BORDER_NS
        ]
        return len(borders) * _ORT_BORDER_NS

    def _ended_by(self, gap: Interval) -> int:
        """Of several that start at once, the one launched first."""
        starting = [number for number in self._works if self._history.works[number].start_ns == gap[1]]
        calls = self._history.calls
        return min(starting, key=lambda n: calls[self._history.works[n].call].start_ns, default=NOTHING)

    def _works_of(self, call: int) -> list[int]:
        return [number for number in self._works if self._history.works[number].call == call]

    def _of_launch(
        self, gap: Interval, late_ns: int, ended_by: int, call: Call
    ) -> Iterator[tuple[int, int, IdleCause]]:  # fmt: skip
        awaited_ns = self._awaited_until(ended_by)
        if gap[1] <= call.end_ns + ARRIVAL_NS:
            yield from self._launching(late_ns, gap[1], ended_by, call)
        elif awaited_ns > late_ns or (awaited_ns == late_ns and gap[1] - awaited_ns < EVENT_LATENCY_NS):
            is_soon = gap[1] - awaited_ns < EVENT_LATENCY_NS
            yield late_ns, gap[1] if is_soon else awaited_ns, IdleCause.CROSS_STREAM_WAIT
            yield gap[1] if is_soon else awaited_ns, gap[1], IdleCause.UNATTRIBUTED
        elif call.end_ns > gap[0]:
            until_ns = min(call.end_ns + LATE_ARRIVAL_NS, gap[1])
            yield from self._launching(late_ns, until_ns, ended_by, call)
            yield until_ns, gap[1], IdleCause.UNATTRIBUTED
        else:
            yield *gap, self._of_device(gap, ended_by)

    def _of_device(self, gap: Interval, ended_by: int) -> IdleCause:
        """Why the device left queued work waiting."""
        work = self._history.works[ended_by]
        before = [one for one in map(self._history.works.__getitem__, self._works) if one.stream == work.stream]
        behind = before[before.index(work) - 1] if before.index(work) else None
        if behind is not None and behind.end_ns == gap[0] and _is_of_host(behind.name) != _is_of_host(work.name):
            return IdleCause.ENGINE_SWITCH if gap[1] - gap[0] < ENGINE_SWITCH_NS else IdleCause.UNATTRIBUTED
        return IdleCause.BACK_TO_BACK if gap[1] - gap[0] < BACK_TO_BACK_NS else IdleCause.UNATTRIBUTED

    def _launching(
        self, start_ns: int, end_ns: int, ended_by: int, call: Call
    ) -> Iterator[tuple[int, int, IdleCause]]:  # fmt: skip
        work = self._history.works[ended_by]
        cause = IdleCause.LAUNCH_LATENCY
        if "HtoD (Pageable" in work.name:
            cause = IdleCause.PAGEABLE_COPY
        elif work.kind is WorkKind.KERNEL and self._is_first_of_name(ended_by):
            cause = IdleCause.MODULE_LOADING if call.end_ns - call.start_ns > FIRST_LAUNCH_NS else cause
        yield from _told(start_ns, end_ns, list(self._overheads(call.thread)), cause)

    def _is_first_of_name(self, number: int) -> bool:
        """Among all that was recorded, in any window."""
        history, streams = self._history, self._history.program.streams
        works = [
            history.works[one]
            for recorded in self._written.windows.values()
            for one in recorded.works
            if history.works[one].call in recorded.calls and streams[history.works[one].stream].device == self._device
        ]
        named = [one for one in works if one.name == history.works[number].name]
        return min(one.start_ns for one in named) == history.works[number].start_ns

    def _awaited_until(self, number: int) -> int:
        """When the last was done of what the work's stream was told to wait for, as far as the trace says so."""
        waits = [self._history.stream_waits[wait] for wait in self._resolved() if self._is_held(wait, number)]
        return max((self._done(wait.record) for wait in waits), default=NOTHING)

    def _is_held(self, wait: int, number: int) -> bool:
        return self._history.stream_waits[wait].held == number

    def _resolved(self) -> list[int]:
        """Stream waits whose record says which event they wait for."""
        waits, recording = self._history.stream_waits, self._written.recording
        return [
            number
            for number in sorted(self._recorded.stream_waits)
            if self._recorded.resolves(waits[number].record, recording)
        ]

    def _done(self, record: int) -> int:
        """When all was done that lay in front of an event's record: work of its stream, and what that waited for."""
        history = self._history
        made = history.records[record]
        works = [
            history.works[number].end_ns
            for number in self._recorded.works
            if history.works[number].stream == made.stream and history.works[number].call < made.call
        ]
        waits = [history.stream_waits[wait] for wait in self._resolved()]
        chained = [
            self._done(wait.record) for wait in waits if wait.stream == made.stream and wait.call < made.call
        ]  # fmt: skip
        return max([*works, *chained], default=NOTHING)

    def _of_host(self, start_ns: int, end_ns: int, thread: int) -> Iterator[tuple[int, int, IdleCause]]:
        yield from _told(start_ns, end_ns, list(self._doing(thread)), IdleCause.PYTHON)

    def _doing(self, thread: int) -> Iterator[_Doing]:
        """All that the thread was in, at any time, as far as it was recorded."""
        history = self._history
        yield from self._overheads(thread)
        yield from (
            (1, made.start_ns, made.end_ns, IdleCause.SESSION_INIT)
            for made in history.sessions
            if made.thread == thread
        )
        for number in sorted(self._recorded.calls):
            if history.calls[number].thread == thread:
                yield self._doing_in_call(number)
        for run in history.runs:
            if run.thread == thread:
                yield 4, run.start_ns, run.end_ns, IdleCause.ORT_HOST
        for (start_ns, end_ns), cause in self._executions(thread):
            yield 4, start_ns, end_ns, cause
        for number in self._recorded.ops:
            op = history.ops[number]
            if op.thread == thread:
                yield 5, op.start_ns, op.end_ns, IdleCause.TORCH_OP

    def _overheads(self, thread: int) -> Iterator[_Doing]:
        calls = [call for call in self._recorded_calls() if call.thread == thread]
        for one in self._history.overheads:
            is_recorded = one.call in self._recorded.calls
            if is_recorded and any(call.start_ns <= one.start_ns and one.end_ns <= call.end_ns for call in calls):
                loads = "Loading" in one.name
                cause = IdleCause.MODULE_LOADING if loads else IdleCause.PROFILER
                yield 2 if loads else 0, one.start_ns, one.end_ns, cause

    def _recorded_calls(self) -> list[Call]:
        return [self._history.calls[number] for number in sorted(self._recorded.calls)]

    def _doing_in_call(self, number: int) -> _Doing:
        call = self._history.calls[number]
        names = [
            work.name
            for recorded in self._written.windows.values()
            for work in map(self._history.works.__getitem__, recorded.works)
            if work.call == number
        ]
        if call.name == "cudaMemcpyAsync" and any("DtoH (Device -> Pageable" in name for name in names):
            return 3, call.start_ns, call.end_ns, IdleCause.SYNC_WAIT
        if call.name == "cudaMemcpyAsync" and any("HtoD (Pageable" in name for name in names):
            return 3, call.start_ns, call.end_ns, IdleCause.PAGEABLE_COPY
        cause = _OF_CALL.get(call.name, IdleCause.CUDA_CALL)
        if call.name == "cudaFuncGetAttributes" and call.end_ns - call.start_ns <= FIRST_LAUNCH_NS:
            cause = IdleCause.CUDA_CALL
        return 6 if call.name in _LAUNCHES else 3, call.start_ns, call.end_ns, cause

    def _executions(self, thread: int | None = None) -> Iterator[tuple[Interval, IdleCause]]:
        """Executions of nodes that an ORT profile holds."""
        for execution in self._history.executions:
            interval = profile_interval(self._history, execution.session)
            if interval is None or not (interval[0] <= execution.start_ns and execution.end_ns <= interval[1]):
                continue
            if thread in (None, execution.thread):
                node = execution.node
                on_host = node.provider == "CPUExecutionProvider" or node.op_type.startswith("Memcpy")
                times_ns = (execution.start_ns, execution.end_ns)
                yield times_ns, IdleCause.CPU_NODE if on_host else IdleCause.ORT_HOST


def _told(
    start_ns: int, end_ns: int, doing: list[_Doing], otherwise: IdleCause
) -> Iterator[tuple[int, int, IdleCause]]:  # fmt: skip
    """A stretch, cut where anything begins or ends: what outweighs all else counts, of equals the innermost."""
    borders = {border for _, *times in doing for border in times[:2] if start_ns < border < end_ns}
    for begin, end in pairwise(sorted({start_ns, end_ns} | borders)):
        inside = [(weight, -from_ns, cause) for weight, from_ns, to_ns, cause in doing if from_ns <= begin < to_ns]
        yield begin, end, min(inside, key=lambda one: one[:2])[2] if inside else otherwise


def _is_of_host(name: str) -> bool:
    """Whether a copy engine moves it from or to the host."""
    return "HtoD" in name or "DtoH" in name
