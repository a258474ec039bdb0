"""One clock for ORT's profile and torch's trace: checked where both state it, found where ORT's file does not.

Both clocks are Unix epoch on Linux, but an ORT profile holds times since profiling started and not when that was. The
witnesses are kernel launches: each one that ORT makes lies inside the span of the node that makes it, on the same
thread. So each (launch, node) pair allows an interval of offsets, and the true offset is in one such interval for
every launch (measured on an H100: 2,340 of 2,340, within [-4.9 µs, +1.9 µs]).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ortprobe.ingest.sources.device_trace import DeviceTrace
from ortprobe.ingest.sources.files import LIMIT_NS
from ortprobe.ingest.sources.ort_profile import OrtProfile
from ortprobe.timeline import NONE, Int64s, Kind
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES, base_name
from ortprobe.timeline.groups import rows_by_value
from ortprobe.timeline.intervals import Intervals, innermost_containing, union

TRUNCATION_NS = 2_000
"""ORT truncates `ts` and `dur` to µs each, so a node may end up to 2 µs after its written end."""

_BIN_NS = 100_000
_MAX_BINS = 1 << 23
_CANDIDATES = 40
_AMBIGUOUS_SHARE = 0.98
_MOST_THREAD_IDS = 1 << 22
"""Linux has no more (`PID_MAX_LIMIT`): larger ids are CUPTI's own, the low 32 bits of a pthread id."""
_ENOUGH_TO_RANK = 4_096
"""Launches that candidates are ranked by; all of them bear on the bound."""

ThreadIntervals = Mapping[int, Intervals]
"""Sorted starts and ends for each OS thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The offsets (to add to ORT's times) under which the most launches lie inside nodes."""

    low_ns: int
    high_ns: int
    inside: int
    """Launches inside a node under those offsets."""
    launches: int
    """Launches inside a run under those offsets: what `inside` could be at most. Of runs in calls, all runs."""
    nodes: int
    """Node executions with a launch inside. A node of half a second has room for every launch of a trace, so this,
    and not `inside`, tells a right offset from a wrong one."""
    runner_up: int
    """The most of such node executions at any offset elsewhere: near `nodes`, the fit is ambiguous."""
    has_twin: bool = False
    """Whether a place close by, but apart from this one, fits just as many launches."""

    @property
    def offset_ns(self) -> int:
        return (self.low_ns + self.high_ns) // 2

    @property
    def is_unique(self) -> bool:
        return self.nodes > 0 and self.runner_up < _AMBIGUOUS_SHARE * self.nodes and not self.has_twin


def kernel_launches(traces: Sequence[DeviceTrace], thread_of: Callable[[int], int] = int) -> ThreadIntervals:
    """The CUDA calls that launched a kernel each, which ORT does inside of nodes, by OS thread.

    `thread_of` turns the traces' thread ids into those.

    A thread has another id in the traces before it first ran a torch op than after it (see `cupti_threads`).
    """
    parts: dict[int, list[Intervals]] = {}
    for trace in traces:
        launched = trace.correlation[trace.kinds == Kind.KERNEL]
        of_one = np.array([base_name(name) not in GRAPH_LAUNCHES for name in trace.names], np.bool_)
        calls = np.flatnonzero((trace.kinds == Kind.CUDA_CALL) & np.isin(trace.correlation, launched))
        calls = calls[of_one[trace.name[calls]]]
        threads = trace.threads[trace.place[calls]]
        for thread, rows in rows_by_value(threads):
            if thread != NONE:
                own = calls[rows]
                parts.setdefault(thread_of(thread), []).append((trace.start_ns[own], trace.end_ns[own]))
    return {thread: _sorted(*map(np.concatenate, zip(*spans, strict=True))) for thread, spans in parts.items()}


def node_spans(profile: OrtProfile) -> ThreadIntervals:
    """Outermost node spans by thread, in the profile's own time."""
    spans = _by_thread(profile, Kind.ORT_NODE)
    return {thread: _outermost(own) for thread, own in spans.items()}


def fit_at(profile: OrtProfile, launches: ThreadIntervals, offset_ns: int) -> Fit | None:
    """The bound around a stated offset; None when no launch can witness it."""
    nodes, runs = node_spans(profile), _runs_by_thread(profile)
    launches = {thread: spans for thread, spans in launches.items() if thread in nodes}
    launches = _before(launches, _trusted_until_ns(profile) + offset_ns - 4 * TRUNCATION_NS)
    return _refine(nodes, launches, runs, offset_ns, 4 * TRUNCATION_NS)


def fit_in_brackets(profile: OrtProfile, brackets: Intervals, offset_ns: int) -> Fit | None:
    """The bound that hooked calls allow: each `model_run` lies inside the call that made it.

    `brackets` are the calls of the profile's session, sorted and disjoint. None when no run lies in any of them.
    """
    start, end = _run_spans(profile)
    at = innermost_containing(*brackets, (start + end) // 2 + offset_ns)
    inside = at != NONE
    if not inside.any():
        return None
    start, end, at = start[inside], end[inside], at[inside]
    low, high = (brackets[0][at] - start - TRUNCATION_NS).max(), (brackets[1][at] - end).min()
    count = int(inside.sum())
    return Fit(low_ns=int(low), high_ns=int(high), inside=count, launches=len(inside), nodes=count, runner_up=0)


def find_offset(profile: OrtProfile, launches: ThreadIntervals) -> Fit | None:
    """The offset of a profile that does not state its start; None when there is nothing to fit.

    Coarse: correlate launches with the starts of nodes, at 100 µs. Fine: around the best of those, the interval of
    offsets that puts the most launches inside nodes. Which are the best two is told from some of the launches.
    """
    nodes, launches, runs = _same_threads(node_spans(profile), launches, _runs_by_thread(profile))
    if not nodes or not launches:
        return None
    bin_ns, candidates = _coarse(nodes, launches)
    some = _thinned(launches)
    fits = [fit for at in candidates if (fit := _refine(nodes, some, runs, at, 2 * bin_ns)) is not None]
    fits.sort(key=lambda fit: (-fit.nodes, -fit.inside))
    if not fits:
        return None
    launches = _before(launches, _trusted_until_ns(profile) + fits[0].low_ns)
    best = _refine(nodes, launches, runs, fits[0].offset_ns, 2 * bin_ns)
    elsewhere = (fit.offset_ns for fit in fits if abs(fit.offset_ns - fits[0].offset_ns) > 2 * bin_ns)
    second = next((_refine(nodes, launches, runs, offset_ns, 2 * bin_ns) for offset_ns in elsewhere), None)
    return replace(best, runner_up=second.nodes if second else 0) if best else None


def _same_threads(
    nodes: ThreadIntervals, launches: ThreadIntervals, runs: ThreadIntervals
) -> tuple[ThreadIntervals, ThreadIntervals, ThreadIntervals]:
    """Restrict all to common threads; without one, all threads that CUPTI renamed become a single timeline."""
    common = nodes.keys() & launches.keys()
    if common:
        kept = ({thread: spans[thread] for thread in common if thread in spans} for spans in (nodes, launches, runs))
        return next(kept), next(kept), next(kept)
    renamed = {thread: spans for thread, spans in launches.items() if not 0 <= thread <= _MOST_THREAD_IDS}
    joined = _as_one(runs)
    return _as_one(nodes), _as_one(renamed), {thread: union(*spans) for thread, spans in joined.items()}


def _thinned(launches: ThreadIntervals) -> ThreadIntervals:
    """Evenly chosen launches, about `_ENOUGH_TO_RANK` of all threads together."""
    step = 1 + sum(len(starts) for starts, _ in launches.values()) // _ENOUGH_TO_RANK
    return {thread: (starts[::step], ends[::step]) for thread, (starts, ends) in launches.items()}


def _trusted_until_ns(profile: OrtProfile) -> int:
    """From when on a launch may lie in a node that the profile does not hold, in the profile's own time.

    ORT records a node, and a run, when it ends. So from its cap on the nodes are missing around the last that it took.
    `LIMIT_NS` where none is missing.
    """
    if profile.dropped_events:
        runs = _by_thread(profile, Kind.ORT_RUN)
        return min((int(end_ns.max()) for _, end_ns in runs.values()), default=0)
    return int(profile.start_ns.max(initial=0)) if profile.is_cut_off else LIMIT_NS


def _before(launches: ThreadIntervals, time_ns: int) -> ThreadIntervals:
    return {
        thread: (start_ns[start_ns < time_ns], end_ns[start_ns < time_ns])
        for thread, (start_ns, end_ns) in launches.items()
    }


def _as_one(threads: ThreadIntervals) -> ThreadIntervals:
    if not threads:
        return {}
    start = np.concatenate([interval[0] for interval in threads.values()])
    end = np.concatenate([interval[1] for interval in threads.values()])
    order = np.argsort(start, kind="stable")
    return {0: (start[order], end[order])}


def _refine(
    nodes: ThreadIntervals, launches: ThreadIntervals, runs: ThreadIntervals, offset_ns: int, reach_ns: int
) -> Fit | None:
    """Sweep over all offsets within `reach_ns` of `offset_ns`: each launch votes for those that put it in a node."""
    votes = [_votes(nodes[thread], spans, offset_ns, reach_ns) for thread, spans in launches.items() if thread in nodes]
    if not votes:
        return None
    low = np.concatenate([vote[0] for vote in votes])
    high = np.concatenate([vote[1] for vote in votes])
    if not len(low):
        return None
    best_low, best_high, inside, has_twin = deepest(low, high)
    middle = (best_low + best_high) // 2
    return Fit(
        low_ns=best_low,
        high_ns=best_high,
        inside=inside,
        launches=sum(
            _count_inside(starts - middle, runs[thread]) for thread, (starts, _) in launches.items() if thread in runs
        ),
        nodes=sum(len(np.unique(node[(low <= middle) & (middle <= high)])) for low, high, node in votes),
        runner_up=0,
        has_twin=has_twin,
    )


def _votes(nodes: Intervals, launches: Intervals, offset_ns: int, reach_ns: int) -> tuple[Int64s, Int64s, Int64s]:
    """For each launch and each node it could lie in: the lowest and highest offset at which it does, and the node."""
    node_start, node_end = nodes[0], nodes[1] + TRUNCATION_NS
    launch_start, launch_end = launches
    first = np.searchsorted(node_end, launch_end - offset_ns - reach_ns, side="left")
    past = np.searchsorted(node_start, launch_start - offset_ns + reach_ns, side="right")
    count = np.maximum(past - first, 0)
    launch = np.repeat(np.arange(len(launch_start)), count)
    node = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    low = np.maximum(launch_end[launch] - node_end[node], offset_ns - reach_ns)
    high = np.minimum(launch_start[launch] - node_start[node], offset_ns + reach_ns)
    keep = low <= high
    return low[keep], high[keep], node[keep]


def deepest(low: Int64s, high: Int64s) -> tuple[int, int, int, bool]:
    """The widest stretch that the most of the closed intervals [low, high] share, how many do, and whether as many
    share another stretch."""
    at = np.concatenate((low, high + 1))
    step = np.concatenate((np.ones(len(low), np.int64), -np.ones(len(high), np.int64)))
    order = np.argsort(at, kind="stable")
    at, depth = at[order], np.cumsum(step[order])
    last_of_equal = np.concatenate((at[1:] != at[:-1], [True]))
    at, depth = at[last_of_equal], depth[last_of_equal]
    deepest = depth == depth.max()
    first = np.flatnonzero(deepest & ~np.concatenate(([False], deepest[:-1])))
    past = np.flatnonzero(deepest & ~np.concatenate((deepest[1:], [False]))) + 1
    widest = np.argmax(at[past] - at[first])
    return int(at[first[widest]]), int(at[past[widest]]) - 1, int(depth.max()), len(first) > 1


def _coarse(nodes: ThreadIntervals, launches: ThreadIntervals) -> tuple[int, list[int]]:
    """Bin width, and the offsets at which launches coincide best with the starts of nodes."""
    node_start = np.concatenate([interval[0] for interval in nodes.values()])
    launch_start = np.concatenate([interval[0] for interval in launches.values()])
    node_from, launch_from = int(node_start.min()), int(launch_start.min())
    length_ns = int(np.ptp(node_start)) + int(np.ptp(launch_start))
    bin_ns = max(_BIN_NS, length_ns // _MAX_BINS)
    size = 1 << (length_ns // bin_ns + 2).bit_length()
    launch_density = np.bincount((launch_start - launch_from) // bin_ns, minlength=size).astype(np.float64)
    node_density = np.bincount((node_start - node_from) // bin_ns, minlength=size).astype(np.float64)
    score = np.fft.irfft(np.fft.rfft(launch_density) * np.conj(np.fft.rfft(node_density)), size)
    shifts = np.argsort(score)[::-1][: 4 * _CANDIDATES]
    shifts = np.where(shifts > np.ptp(launch_start) // bin_ns + 1, shifts - size, shifts)
    apart: list[int] = []
    for shift in shifts.tolist():
        if all(abs(shift - kept) > 1 for kept in apart) and len(apart) < _CANDIDATES:
            apart.append(shift)
    return bin_ns, [launch_from - node_from + shift * bin_ns for shift in apart]


def has_runs(profile: OrtProfile) -> bool:
    """Whether it holds a `model_run`."""
    return bool((profile.kinds == Kind.ORT_RUN).any())


def _run_spans(profile: OrtProfile) -> Intervals:
    wanted = profile.kinds == Kind.ORT_RUN
    return union(profile.start_ns[wanted], profile.end_ns[wanted])


def _runs_by_thread(profile: OrtProfile) -> ThreadIntervals:
    """Two sessions that run at once do so on two threads, and the launches of the one are not those of the other."""
    return {thread: union(*spans) for thread, spans in _by_thread(profile, Kind.ORT_RUN).items()}


def _by_thread(profile: OrtProfile, kind: Kind) -> ThreadIntervals:
    spans = np.flatnonzero(profile.kinds == kind)
    return {
        thread: _sorted(profile.start_ns[spans[rows]], profile.end_ns[spans[rows]])
        for thread, rows in rows_by_value(profile.thread[spans])
    }


def _count_inside(points_ns: Int64s, spans: Intervals) -> int:
    return int((innermost_containing(*spans, points_ns) != NONE).sum())


def _sorted(start_ns: Int64s, end_ns: Int64s) -> Intervals:
    order = np.lexsort((end_ns, start_ns))
    return start_ns[order], end_ns[order]


def _outermost(spans: Intervals) -> Intervals:
    reach = np.concatenate(([np.iinfo(np.int64).min], np.maximum.accumulate(spans[1])[:-1]))
    keep = spans[0] >= reach
    return spans[0][keep], spans[1][keep]
