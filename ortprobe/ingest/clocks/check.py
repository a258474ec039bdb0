"""How far a torch trace's clock can be off from the hook log's: launches of a run lie inside the call that made it.

Each hooked run is a range `ortprobe.run#N` in the trace too, by which its launches are known without comparing clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ortprobe.bundle import RUN_MARK, AnyRecord, Call
from ortprobe.ingest.clocks.align import ThreadIntervals, deepest, kernel_launches
from ortprobe.ingest.sources.device_trace import DeviceTrace
from ortprobe.ingest.sources.hook_log import RUN_CALLS
from ortprobe.timeline import ClockBound, ClockMethod, Int64s, Kind, Problem, ProblemKind

_MARKER_KINDS = (Kind.TORCH_OP, Kind.ANNOTATION)
_LONGER_NS = 100_000
"""A range is longer than its call by the hook's own work. One that is longer by more was open when the window closed,
and Kineto has it last until then."""
_CONVERSION_NS = 10_000
"""Kineto fits its time stamps to the wall clock: on an H100 launches were up to 5 µs off."""


def trace_bound(
    trace: DeviceTrace, records: Sequence[AnyRecord], thread_of: Callable[[int], int] = int
) -> ClockBound | None:
    """What may be added to a trace's times so that the most launches of runs lie inside the hooked calls.

    `thread_of` turns the trace's thread ids into those of the OS. None when no launch of a marked run is there. The
    bound's source is filled in once the source has a number.
    """
    calls = {one.run: one for one in records if isinstance(one, Call) and one.run >= 0 and one.what in RUN_CALLS}
    launches = kernel_launches([trace], thread_of)
    low, high = _allowed(trace, calls, launches, thread_of)
    possible = low <= high
    if not possible.any():
        return None
    low_ns, high_ns, inside, _ = deepest(low[possible], high[possible])
    return ClockBound(source=-1, method=ClockMethod.EPOCH, low_ns=low_ns, high_ns=high_ns, witnesses=inside)


def doubt_about(trace: DeviceTrace, bound: ClockBound | None) -> list[Problem]:
    """A doubt where the times as they are put launches outside of the calls that made them."""
    if bound is None or bound.low_ns is None or bound.high_ns is None:
        return []
    if bound.low_ns - _CONVERSION_NS <= 0 <= bound.high_ns + _CONVERSION_NS:
        return []
    detail = f"{trace.path}: its launches lie outside of the hooked calls that made them; they would lie inside if its "
    detail += f"clock were moved by {bound.low_ns / 1e3:+,.0f} to {bound.high_ns / 1e3:+,.0f} µs"
    return [Problem(kind=ProblemKind.CLOCK_DOUBT, detail=detail, count=bound.witnesses)]


def _allowed(
    trace: DeviceTrace, calls: Mapping[int, Call], launches: ThreadIntervals, thread_of: Callable[[int], int]
) -> tuple[Int64s, Int64s]:
    """For each launch of a marked run the least and the most that puts it inside the run's call."""
    low, high = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    numbers = _marked_runs(trace)
    for row in np.flatnonzero(np.isin(trace.name, list(numbers)) & np.isin(trace.kinds, _MARKER_KINDS)).tolist():
        call, thread = calls.get(numbers[int(trace.name[row])]), thread_of(int(trace.threads[trace.place[row]]))
        marked_ns, ended_ns = int(trace.start_ns[row]), int(trace.end_ns[row])
        if call is None or call.thread != thread or thread not in launches:
            continue
        if ended_ns - marked_ns > call.end_ns - call.start_ns + _LONGER_NS:
            continue
        start_ns, end_ns = launches[thread]
        first, past = np.searchsorted(start_ns, (marked_ns, ended_ns))
        low.append(call.start_ns - start_ns[first:past])
        high.append(call.end_ns - end_ns[first:past])
    return np.concatenate(low), np.concatenate(high)


def _marked_runs(trace: DeviceTrace) -> dict[int, int]:
    """Index of a name in the trace → the number of the run that it marks."""
    numbers = (
        (index, name.removeprefix(RUN_MARK)) for index, name in enumerate(trace.names) if name.startswith(RUN_MARK)
    )
    return {index: int(number) for index, number in numbers if number.isdecimal() and len(number) <= len("2147483647")}
