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
from ortprobe.analysis.path.critical_path import PATH_KINDS, PathKind
from ortprobe.analysis.runs.run_phases import BY_PROFILE, DividedBy, Phase
from ortprobe.analysis.runs.run_times import ORT_AND_TORCH, TORCH_ALONE
from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.timeline import NONE, Bools, Int64s

FEWEST_RUNS = 3
"""Runs of each side that an account needs: fewer are no mean."""


class PartKind(StrEnum):
    """What time of a run, or between two, went into."""

    DEVICE = "device"
    """Device work on the critical path; in the account of the pace, of the device."""
    HOST = "host"
    """The thread did something before it launched the next work of the path, or before the run returned."""
    LAUNCH = "launch"
    STREAM_GAP = "stream-gap"
    EVENT_GAP = "event-gap"
    RETURN = "return"
    UNEXPLAINED = "unexplained"
    """These five as in `PathKind`."""
    NODE = "node"
    """A node on the host, in a run whose critical path nobody can tell."""
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
    """Of HOST what the thread was doing; of IDLE why."""
    phase: Phase | None = None
    """Of PHASE."""
    pair: int = NONE
    """Of DEVICE, NODE, and HOST in a node on the CPU: the position of the pair of nodes in `Account.pairs`; NONE for
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
_Way = tuple[int, Callable[[Analyses], Bools], Callable[[Analyses, Int64s, Int64s], Sums]]
"""What was attached to the runs; which runs can tell; the sums of some runs, from the pair of each node."""


def path_account(sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float) -> Account | None:
    """Of latencies, by the critical paths of runs that torch's profiler watched; None with too few of them."""
    ways = ((attached, _on_path, _path_sums) for attached in (TORCH_ALONE, ORT_AND_TORCH))
    return _first(sides, session, pairs, stated_ns, ways)


def host_account(sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float) -> Account | None:
    """Of latencies, by the nodes in ORT's profile and the phases around them; None with too few such runs."""
    ways = ((attached, _divided, _host_sums) for attached in (ATTACHED_ORT_PROFILE, ORT_AND_TORCH))
    return _first(sides, session, pairs, stated_ns, ways)


def device_account(
    sides: Sides, session: MatchedSession, pairs: Sequence[NodePair], stated_ns: float
) -> Account | None:
    """Of periods, on the device that is busy most: its work by node, and its idle time by cause. None where the sides
    kept different devices busy, or too few runs were watched."""
    devices = [_busiest(side) for side in sides]
    if None in devices or devices[0] != devices[1]:
        return None
    ways = ((attached, _paced, _pace_sums) for attached in (TORCH_ALONE, ORT_AND_TORCH))
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


def _on_path(analyses: Analyses) -> Bools:
    return gpu_traced(analyses.timeline)


def _path_sums(analyses: Analyses, runs: Int64s, owner: Int64s) -> Sums:
    """By kind of the critical path; the host by what it did, the device and nodes on the CPU by node."""
    timeline, paths = analyses.timeline, analyses.critical_paths
    chosen = np.isin(paths.run, runs)
    kind, cause, span = paths.kind[chosen], paths.cause[chosen].astype(np.int64), paths.span[chosen]
    host, device = (kind == PATH_KINDS.index(each) for each in (PathKind.HOST, PathKind.DEVICE))
    of_node = device | (host & (cause == CAUSES.index(IdleCause.CPU_NODE)))
    pair = np.where(of_node & (span != NONE), owner[timeline.links.node[span]], NONE)
    keys = np.stack([kind.astype(np.int64), np.where(host, cause, NONE), pair])
    return {
        Part(
            kind=PartKind(PATH_KINDS[of_kind].value), cause=None if of_cause == NONE else CAUSES[of_cause], pair=of_pair
        ): time_ns
        for (of_kind, of_cause, of_pair), time_ns in _by_key(keys, (paths.end_ns - paths.start_ns)[chosen])
    }


def _by_key(keys: Int64s, values: Int64s) -> list[tuple[tuple[int, int, int], int]]:
    """Columns of `keys`, each once, with the sum of their values."""
    distinct, row = np.unique(keys, axis=1, return_inverse=True)
    sums = np.zeros(distinct.shape[1], np.int64)
    np.add.at(sums, row.reshape(-1), values)
    return [((a, b, c), time_ns) for (a, b, c), time_ns in zip(distinct.T.tolist(), sums.tolist(), strict=True)]


def _divided(analyses: Analyses) -> Bools:
    return np.asarray(analyses.phases.divided_by == DividedBy.PROFILE)


def _host_sums(analyses: Analyses, runs: Int64s, owner: Int64s) -> Sums:
    """By node, as far as they ran on the thread of the run, and by phase without them."""
    timeline, executed = analyses.timeline, analyses.timeline.node_spans
    run = timeline.links.run[executed.span]
    chosen = np.isin(run, runs) & (timeline.runs.lane[run] == timeline.spans.lane[executed.span])
    pair, own_ns = owner[executed.node[chosen]], own_host_ns(timeline)[chosen]
    sums = {Part(kind=PartKind.NODE, pair=each): int(own_ns[pair == each].sum()) for each in np.unique(pair).tolist()}
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


def _paced(analyses: Analyses) -> Bools:
    """Runs from whose start to the start of the next one the device was watched."""
    runs, timeline = analyses.runs, analyses.timeline
    start_ns, end_ns = timeline.runs.start_ns, timeline.runs.start_ns + np.maximum(runs.period_ns, 0)
    watched_ns = covered_ns(recorded_windows(timeline), (start_ns, end_ns))
    return np.asarray(runs.steady_period & (watched_ns == runs.period_ns) & gpu_traced(timeline))


def _pace_sums(analyses: Analyses, runs: Int64s, owner: Int64s) -> Sums:
    if not len(runs):
        return {}
    timeline = analyses.timeline
    device = max(analyses.idle.devices, key=_busy_ns)
    start_ns = timeline.runs.start_ns[runs]
    end_ns = start_ns + analyses.runs.period_ns[runs]
    columns, sums = device.columns, Sums()
    for cause in np.unique(columns.piece_cause).tolist():
        of_cause = columns.piece_cause == cause
        pieces = columns.piece_start_ns[of_cause], columns.piece_end_ns[of_cause]
        sums[Part(kind=PartKind.IDLE, cause=CAUSES[cause])] = int(covered_ns(pieces, (start_ns, end_ns)).sum())
    stretch, work_start_ns, work_end_ns, pair = _work_in(analyses, device.device, owner, start_ns, end_ns)
    for each in np.unique(pair).tolist():
        mine = pair == each
        sums[Part(kind=PartKind.DEVICE, pair=each)] = int((work_end_ns - work_start_ns)[mine].sum())
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
