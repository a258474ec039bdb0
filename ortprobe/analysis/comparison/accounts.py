"""What makes the difference between the mean runs of both sides: parts that add up to it exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.busy import busy_by_group, covered_ns
from ortprobe.analysis.comparison.node_changes import pair_of
from ortprobe.analysis.comparison.node_matches import NodePair
from ortprobe.analysis.comparison.run_changes import CHEAPEST_FIRST, Sides
from ortprobe.analysis.comparison.session_matches import MatchedSession
from ortprobe.analysis.coverage import gpu_traced, recorded_windows
from ortprobe.analysis.idle.causes import CAUSES, IdleCause
from ortprobe.analysis.idle.device_idle import DeviceIdle
from ortprobe.analysis.nodes.own_time import own_host_ns
from ortprobe.analysis.runs.run_phases import BY_PROFILE, DividedBy, Phase
from ortprobe.analysis.runs.run_times import ORT_AND_TORCH, TORCH_ALONE
from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.timeline import NONE, Bools, Int64s
from ortprobe.timeline.groups import sum_by_group

FEWEST_RUNS = 3
"""Runs of each side that an account needs: fewer are no mean."""


class PartKind(StrEnum):
    """What time of a run, or between two, went into."""

    DEVICE = "device"
    """Work of the device."""
    NODE = "node"
    """A node on the host, in a run that no device was watched in."""
    PHASE = "phase"
    """A phase of such a run, without the nodes in it."""
    OVERLAP = "overlap"
    """Device work beside other device work, which its nodes count and the device doesn't: less than nothing."""
    IDLE = "idle"
    """The device had nothing to do."""
    RUN = "run"
    """The run itself, and what lies between its end and the start of the next: the pace without a device."""
    BETWEEN_RUNS = "between-runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A kind of time, and whose."""

    kind: PartKind
    cause: IdleCause | None = None
    """Of IDLE: why."""
    phase: Phase | None = None
    """Of PHASE."""
    pair: int = NONE
    """Of DEVICE and NODE: the position of the pair of nodes in `Account.pairs`; NONE for
    work of none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartChange:
    """Means over the runs of the account, in whole nanoseconds."""

    part: Part
    before_ns: int
    after_ns: int

    @property
    def more_ns(self) -> int:
        return self.after_ns - self.before_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The mean run of each side, part by part."""

    attached: int
    """What was attached to the runs that tell of parts."""
    runs: tuple[int, int]
    before_ns: int
    """Mean time of these runs: latency, or period."""
    after_ns: int
    parts: tuple[PartChange, ...]
    """Sum to `before_ns`, to `after_ns`, and so to the difference, exactly. The largest difference first."""
    pairs: tuple[NodePair, ...] = field(repr=False)
    """What `Part.pair` points into."""
    stated_ns: int
    """The difference that was judged, of the medians of runs with less attached."""

    @property
    def more_ns(self) -> int:
        return self.after_ns - self.before_ns

    @property
    def beside_ns(self) -> int:
        """What of `stated_ns` is in no part: by so much more the runs that were judged differ than these."""
        return self.stated_ns - self.more_ns

    def name_of(self, part: Part) -> str:
        """The node's name; empty for what belongs to no node."""
        return "" if part.pair == NONE else self.pairs[part.pair].name


Sums = dict[Part, int]
"""Over the runs of one capture, or of several."""
_Told = Callable[[Analyses], Bools]
_Tell = Callable[[Analyses, Int64s, Int64s], Sums]
_Way = tuple[int, _Told, _Tell]
"""What was attached to the runs; which runs can tell; the sums of some runs, from the pair of each node."""


def host_account(sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float) -> Account | None:
    """Of latencies, by the nodes in ORT's profile and the phases around them; None with too few such runs."""
    ways = ((attached, _divided, _host_sums) for attached in (ATTACHED_ORT_PROFILE, ORT_AND_TORCH))
    return _first(sides, session, pairs, stated_ns, ways)


def run_account(sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float) -> Account | None:
    """Of latencies, on the device that is busy most, from a run's begin to its end: work by node, idle time by cause.
    None where the sides kept different devices busy, or too few runs were watched.

    Not by critical paths: where host and device take about as long, they lead now through one and now through the
    other, and what is compared is how often."""
    return _on_device(sides, session, pairs, stated_ns, _watched, _run_sums)


def pace_account(sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float) -> Account | None:
    """Of periods, likewise from a run's begin to the next one's."""
    return _on_device(sides, session, pairs, stated_ns, _paced, _pace_sums)


def _on_device(
    sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float, told_by: _Told, sums_of: _Tell
) -> Account | None:
    devices = [_busiest(side) for side in sides]
    if None in devices or devices[0] != devices[1]:
        return None
    ways = ((attached, told_by, sums_of) for attached in (TORCH_ALONE, ORT_AND_TORCH))
    return _first(sides, session, pairs, stated_ns, ways)


def gap_account(sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float) -> Account | None:
    """Of periods, by the runs and what comes behind them; None with too few runs."""
    ways = ((attached, _between_runs, _gap_sums) for attached in CHEAPEST_FIRST)
    return _first(sides, session, pairs, stated_ns, ways)


def _first(
    sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float, ways: Iterable[_Way]
) -> Account | None:
    """By the first of the ways that both sides have runs enough for."""
    return next(filter(None, (_account(sides, session, pairs, stated_ns, way) for way in ways)), None)


def _account(
    sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float, way: _Way
) -> Account | None:
    if session.before is None or session.after is None:
        return None
    attached, told_by, sums_of = way
    counts, sums = [0, 0], list[Sums]([{}, {}])
    for number, (side, own) in enumerate(zip(sides, (session.before, session.after), strict=True)):
        for capture, (analyses, mine) in enumerate(zip(side, own.runs_of(side), strict=True)):
            runs = analyses.runs
            chosen = np.flatnonzero(mine & runs.steady & (runs.attached == attached) & told_by(analyses))
            counts[number] += len(chosen)
            for part, time_ns in sums_of(analyses, chosen, pair_of(analyses, pairs, number, capture)).items():
                sums[number][part] = sums[number].get(part, 0) + time_ns
    if min(counts) < FEWEST_RUNS:
        return None
    parts = list(dict.fromkeys((*sums[0], *sums[1])))
    before, after = (
        _means([own.get(part, 0) for part in parts], count) for own, count in zip(sums, counts, strict=True)
    )
    changes = [
        PartChange(part=part, before_ns=old, after_ns=new) for part, old, new in zip(parts, before, after, strict=True)
    ]
    return Account(
        attached=attached,
        runs=(counts[0], counts[1]),
        before_ns=sum(before),
        after_ns=sum(after),
        parts=tuple(sorted(changes, key=lambda each: -abs(each.more_ns))),
        pairs=tuple(pairs),
        stated_ns=round(stated_ns),
    )


def _means(sums_ns: Sequence[int], runs: int) -> list[int]:
    """Each over the runs, in whole numbers that sum to the mean of the sum: those that were cut most get one more."""
    means = [time_ns // runs for time_ns in sums_ns]
    short = (2 * sum(sums_ns) + runs) // (2 * runs) - sum(means)
    most_cut = sorted(range(len(means)), key=lambda row: -(sums_ns[row] % runs))
    for row in most_cut[:short]:
        means[row] += 1
    return means


def _by_pair(kind: PartKind, pair: Int64s, time_ns: Int64s) -> Sums:
    """Times summed by the pair of their node."""
    pairs, row = np.unique(pair, return_inverse=True)
    sums_ns = sum_by_group(row, time_ns, len(pairs))
    return {Part(kind=kind, pair=each): sum_ns for each, sum_ns in zip(pairs.tolist(), sums_ns.tolist(), strict=True)}


def _divided(analyses: Analyses) -> Bools:
    return np.asarray(analyses.phases.divided_by == DividedBy.PROFILE)


def _host_sums(analyses: Analyses, runs: Int64s, owner: Int64s) -> Sums:
    """By node, as far as they ran on the thread of the run, and by phase without them."""
    timeline, executed = analyses.timeline, analyses.timeline.node_spans
    run = timeline.links.run[executed.span]
    chosen = np.isin(run, runs) & (timeline.runs.lane[run] == timeline.spans.lane[executed.span])
    pair, own_ns = owner[executed.node[chosen]], own_host_ns(timeline)[chosen]
    sums = _by_pair(PartKind.NODE, pair, own_ns)
    for phase in BY_PROFILE:
        time_ns = analyses.phases.column(phase)[runs]
        nodes_ns = int(own_ns.sum()) if phase is Phase.EXECUTE else 0
        sums[Part(kind=PartKind.PHASE, phase=phase)] = int(time_ns[time_ns != NONE].sum()) - nodes_ns
    return sums


def _between_runs(analyses: Analyses) -> Bools:
    return analyses.runs.steady_period


def _gap_sums(analyses: Analyses, runs: Int64s, owner: Int64s) -> Sums:  # noqa: ARG001 - one way among others
    run_ns = int(np.minimum(analyses.runs.latency_ns, analyses.runs.period_ns)[runs].sum())
    period_ns = int(analyses.runs.period_ns[runs].sum())
    return {Part(kind=PartKind.RUN): run_ns, Part(kind=PartKind.BETWEEN_RUNS): period_ns - run_ns}


def _busiest(side: Sequence[Analyses]) -> int | None:
    """The device that all captures of a side keep busiest; None where they have none, or others."""
    found = {max(each.idle.devices, key=_busy_ns).device if each.idle.devices else None for each in side}
    return found.pop() if len(found) == 1 else None


def _busy_ns(device: DeviceIdle) -> int:
    return device.busy_ns


def _watched(analyses: Analyses) -> Bools:
    return gpu_traced(analyses.timeline)


def _paced(analyses: Analyses) -> Bools:
    """Runs from whose start to the start of the next one the device was watched."""
    runs, timeline = analyses.runs, analyses.timeline
    start_ns, end_ns = timeline.runs.start_ns, timeline.runs.start_ns + np.maximum(runs.period_ns, 0)
    watched_ns = covered_ns(recorded_windows(timeline), (start_ns, end_ns))
    return np.asarray(runs.steady_period & (watched_ns == runs.period_ns) & gpu_traced(timeline))


def _run_sums(analyses: Analyses, runs: Int64s, owner: Int64s) -> Sums:
    return _device_sums(analyses, runs, analyses.runs.latency_ns, owner)


def _pace_sums(analyses: Analyses, runs: Int64s, owner: Int64s) -> Sums:
    return _device_sums(analyses, runs, analyses.runs.period_ns, owner)


def _device_sums(analyses: Analyses, runs: Int64s, length_ns: Int64s, owner: Int64s) -> Sums:
    """What the busiest device did, for so long from the begin of each run on."""
    if not len(runs):
        return {}
    timeline = analyses.timeline
    device = max(analyses.idle.devices, key=_busy_ns)
    start_ns = timeline.runs.start_ns[runs]
    end_ns = start_ns + length_ns[runs]
    columns, sums = device.columns, Sums()
    for cause in np.unique(columns.piece_cause).tolist():
        of_cause = columns.piece_cause == cause
        pieces = columns.piece_start_ns[of_cause], columns.piece_end_ns[of_cause]
        sums[Part(kind=PartKind.IDLE, cause=CAUSES[cause])] = int(covered_ns(pieces, (start_ns, end_ns)).sum())
    stretch, work_start_ns, work_end_ns, pair = _work_in(analyses, device.device, owner, start_ns, end_ns)
    sums |= _by_pair(PartKind.DEVICE, pair, work_end_ns - work_start_ns)
    busy_ns = int(busy_by_group(stretch.astype(np.int32), work_start_ns, work_end_ns, len(runs)).sum())
    overlap_ns = busy_ns - int((work_end_ns - work_start_ns).sum())
    return sums | ({Part(kind=PartKind.OVERLAP): overlap_ns} if overlap_ns else {})


def _work_in(
    analyses: Analyses, device: int, owner: Int64s, start_ns: Int64s, end_ns: Int64s
) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """(stretch, start, end, pair of its node) of device work, clipped to each stretch that it reaches into."""
    timeline = analyses.timeline
    ops = timeline.device_ops.span[timeline.device_ops.device == device]
    begun_ns, done_ns = timeline.spans.start_ns[ops], timeline.spans.end_ns[ops]
    # Work is in the order of its starts; what ends after a stretch began lies behind the first that reached so far.
    first = np.searchsorted(np.maximum.accumulate(done_ns), start_ns, side="right")
    count = np.maximum(np.searchsorted(begun_ns, end_ns) - first, 0)
    stretch = np.repeat(np.arange(len(start_ns)), count)
    work = np.arange(len(stretch)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    low_ns = np.maximum(begun_ns[work], start_ns[stretch])
    high_ns = np.minimum(done_ns[work], end_ns[stretch])
    inside = high_ns > low_ns
    node = timeline.links.node[ops[work]]
    return stretch[inside], low_ns[inside], high_ns[inside], owner[node][inside]
