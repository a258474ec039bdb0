"""How each piece of device work was attributed, and why some of it has no ONNX node: one reason each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.bundle import ATTACHED_ORT_PROFILE
from ortprobe.ingest.linking.containment import containing
from ortprobe.ingest.linking.transfer import whole_runs
from ortprobe.ingest.watched import Watched
from ortprobe.timeline import (
    NONE,
    Bools,
    ClockMethod,
    Int32s,
    Int64s,
    Kind,
    LinkedBy,
    ProblemKind,
    SourceKind,
    Timeline,
    UInt8s,
)
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES


class WithoutNode(StrEnum):
    """Why a piece of device work has no ONNX node. The first that holds, in this order."""

    NO_LAUNCH = "no-launch"
    """The trace lacks the call that launched it, and with it everything else."""
    SESSION_CREATION = "session-creation"
    """Launched while a session was loaded and initialised: uploads of weights."""
    TORCH_OP = "torch-op"
    """Launched inside a torch operator, and in no run that was seen."""
    ORT_CALL = "ort-call"
    """Launched by another hooked call that concerns a session or an IOBinding, such as `bind_input`."""
    PROFILE_CUT_OFF = "profile-cut-off"
    """Launched where a profile that was cut off, or that ran full, no longer says what ORT did."""
    PROFILE_ADRIFT = "profile-adrift"
    """The profile that would say it has no known place in time."""
    SESSION_UNKNOWN = "session-unknown"
    """Nothing says which session its run was of."""
    NO_PROFILE = "no-profile"
    """There is no profile with nodes of its session; without hooks, of its process."""
    OUTSIDE_RUNS = "outside-runs"
    """Launched outside of any run that was seen, and inside no torch operator that was. Without hooks, runs of sessions
    without a profile are not seen."""
    BETWEEN_NODES = "between-nodes"
    """Launched inside `Execute`, in no node that the profile has."""
    AROUND_EXECUTE = "around-execute"
    """Launched inside a profiled run, before or after `Execute`: copies of inputs and outputs."""
    NONE_TO_BORROW = "none-to-borrow"
    """Its run borrowed nodes, and there was none for it: the lender has none, or did only the same kernels."""
    RUN_INCOMPLETE = "run-incomplete"
    """Its run was not profiled, and lost device work or launches, so it may not borrow nodes."""
    NO_SAME_SEQUENCE = "no-same-sequence"
    """Its run was not profiled, and no profiled run had the same sequence of work, or several from different nodes."""


REASONS = tuple(WithoutNode)
HAS_NODE = 255
NOT_OF_RUNS = (
    WithoutNode.SESSION_CREATION, WithoutNode.TORCH_OP, WithoutNode.ORT_CALL, WithoutNode.OUTSIDE_RUNS,
)  # fmt: skip
"""Reasons that put work outside of every run that was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Some pieces of device work."""

    count: int
    device_ns: int
    """Their summed durations; work of several streams at once counts several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrigin:
    """Where the work of one kind came from. Each mapping splits `total` without remainder, but for `node_by` and
    `without_node`, which do so together. They hold only what there is."""

    total: Amount
    launch_by: Mapping[LinkedBy, Amount]
    """How the launching call was found; NOTHING where there is none."""
    run_by: Mapping[LinkedBy, Amount]
    """How the run was found; NOTHING outside of runs."""
    node_by: Mapping[LinkedBy, Amount]
    """How the node was found, of the work that has one: NESTED or SAME_SEQUENCE."""
    without_node: Mapping[WithoutNode, Amount]
    """Why the rest has none."""
    with_line: Amount
    """What has a line of the program: of the hooked call around its launch, or of its run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Of all device work."""

    kernels: WorkOrigin
    copies: WorkOrigin
    fills: WorkOrigin
    reason: UInt8s
    """For each row of `Timeline.device_ops` the position in `REASONS` of why it has no node, or `HAS_NODE`."""


def compute_attribution(timeline: Timeline) -> Attribution:
    """How device work found its launch, run, node and line, and why what has no node has none."""
    ops = timeline.device_ops.span
    reason = _reasons(Watched.of(timeline), ops)
    kind = timeline.spans.kind[ops]
    kernels, copies, fills = (
        _origin(timeline, ops[kind == each], reason[kind == each]) for each in (Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET)
    )
    return Attribution(kernels=kernels, copies=copies, fills=fills, reason=reason)


def _origin(timeline: Timeline, work: Int32s, reason: UInt8s) -> WorkOrigin:
    links, duration_ns = timeline.links, timeline.spans.duration_ns[work]
    without = reason != HAS_NODE
    launch_by, run_by = (_split(column[work], duration_ns) for column in (links.launch_by, links.run_by))
    node_by = _split(links.node_by[work[~without]], duration_ns[~without])
    reasons = _split(reason[without], duration_ns[without])
    return WorkOrigin(
        total=_amount(duration_ns),
        launch_by={LinkedBy(by): amount for by, amount in launch_by.items()},
        run_by={LinkedBy(by): amount for by, amount in run_by.items()},
        node_by={LinkedBy(by): amount for by, amount in node_by.items()},
        without_node={REASONS[why]: amount for why, amount in reasons.items()},
        with_line=_amount(duration_ns[_has_line(timeline, work)]),
    )


def _split(column: UInt8s, duration_ns: Int64s) -> dict[int, Amount]:
    return {value: _amount(duration_ns[column == value]) for value in np.unique(column).tolist()}


def _amount(duration_ns: Int64s) -> Amount:
    return Amount(count=len(duration_ns), device_ns=int(duration_ns.sum()))


def _has_line(timeline: Timeline, work: Int32s) -> Bools:
    """Whether the hooked call around a launch, or that of its run, has the line that made it."""
    links, hooks = timeline.links, timeline.hooks
    known = np.append(hooks.site != NONE, False)
    of_run = np.append(hooks.rows_of(timeline.runs.hook_span), NONE)
    return np.asarray(known[links.hook[work]] | known[of_run[links.run[work]]], np.bool_)


def _reasons(watched: Watched, work: Int32s) -> UInt8s:
    """For each piece of work the position in `REASONS` of why it has no node, or `HAS_NODE`."""
    links = watched.timeline.links
    no_launch = np.uint8(REASONS.index(WithoutNode.NO_LAUNCH))
    reason = np.where(links.node[work] == NONE, no_launch, np.uint8(HAS_NODE))
    lost = (links.node[work] == NONE) & (links.launch[work] != NONE)
    in_run, profiled = links.run[work] != NONE, np.zeros(len(work), np.bool_)
    profiled[in_run] = _is_profiled(watched, work[in_run])
    for chosen, rules in (
        (lost & ~in_run, _outside_runs),
        (lost & in_run & profiled, _in_profiled_runs),
        (lost & in_run & ~profiled, _in_other_runs),
    ):
        if chosen.any():
            holds = rules(watched, work[chosen])
            numbers = [np.uint8(REASONS.index(why)) for why in holds]
            reason[chosen] = np.select(list(holds.values()), numbers)
    return reason


_NEVER = np.iinfo(np.int64).max
_Holds = dict[WithoutNode, Bools]
"""For each reason whether it holds, work by work. The first that does is taken; the last holds for all."""


def _is_profiled(watched: Watched, work: Int32s) -> Bools:
    """Work of runs whose nodes the profile saw; a replayed graph is launched once for all of its nodes."""
    runs, links = watched.timeline.runs, watched.timeline.links
    replayed = np.isin(links.launch[work], watched.named(GRAPH_LAUNCHES))
    return np.asarray((runs.execute_span[links.run[work]] != NONE) & ~replayed, np.bool_)


def _outside_runs(watched: Watched, work: Int32s) -> _Holds:
    timeline = watched.timeline
    spans, launch = timeline.spans, timeline.links.launch[work]
    profiles = _Profiles.of(timeline)
    setup, torch_ops = spans.of_kind(Kind.ORT_LOAD, Kind.ORT_INITIALIZE), spans.of_kind(Kind.TORCH_OP)
    setup = setup[~profiles.adrift[spans.source[setup]]]
    process = np.array([source.process for source in timeline.sources])[spans.source[launch]]
    blind = ~np.isin(process, _processes(timeline, SourceKind.HOOK_LOG))
    cut = np.zeros(len(work), np.bool_)
    for number in np.flatnonzero(profiles.ends_ns != _NEVER).tolist():
        runs_end_ns = _last_run_ends_ns(timeline, number, int(profiles.ends_ns[number]))
        behind = spans.start_ns[launch] >= runs_end_ns[spans.lane[launch]]
        cut |= behind & (process == timeline.sources[number].process)
    adrift = [timeline.sources[number].process for number in np.flatnonzero(profiles.adrift)]
    return {
        WithoutNode.SESSION_CREATION: containing(spans, setup, launch) != NONE,
        WithoutNode.TORCH_OP: containing(spans, torch_ops, launch) != NONE,
        WithoutNode.ORT_CALL: _of_ort_calls(timeline, work),
        WithoutNode.PROFILE_CUT_OFF: blind & cut,
        WithoutNode.PROFILE_ADRIFT: blind & np.isin(process, adrift),
        WithoutNode.NO_PROFILE: blind & ~np.isin(process, _processes(timeline, SourceKind.ORT_PROFILE)),
        WithoutNode.OUTSIDE_RUNS: np.ones(len(work), np.bool_),
    }


def _last_run_ends_ns(timeline: Timeline, profile: int, end_ns: int) -> Int64s:
    """For each lane, from when on runs may be missing from a profile that ends at `end_ns`: ORT writes a run when it
    ends, behind its nodes."""
    spans = timeline.spans
    found = np.full(len(timeline.lanes), end_ns, np.int64)
    nodes, runs = (own[spans.source[own] == profile] for own in map(spans.of_kind, (Kind.ORT_NODE, Kind.ORT_RUN)))
    np.minimum.at(found, spans.lane[nodes], spans.start_ns[nodes])
    lanes, at = np.unique(spans.lane[runs][::-1], return_index=True)
    found[lanes] = np.minimum(end_ns, spans.end_ns[runs][::-1][at])
    return found


def _of_ort_calls(timeline: Timeline, work: Int32s) -> Bools:
    hooks = timeline.hooks
    of_ort = np.append((hooks.session != NONE) | (hooks.binding != NONE), False)
    return np.asarray(of_ort[timeline.links.hook[work]], np.bool_)


def _in_profiled_runs(watched: Watched, work: Int32s) -> _Holds:
    timeline = watched.timeline
    spans, links, profiles = timeline.spans, timeline.links, _Profiles.of(timeline)
    launch, execute = links.launch[work], timeline.runs.execute_span[links.run[work]]
    executes = spans.of_kind(Kind.ORT_EXECUTE)
    executes = executes[~profiles.adrift[spans.source[executes]]]
    return {
        WithoutNode.PROFILE_CUT_OFF: spans.start_ns[launch] >= profiles.ends_ns[spans.source[execute]],
        WithoutNode.BETWEEN_NODES: containing(spans, executes, launch) != NONE,
        WithoutNode.AROUND_EXECUTE: np.ones(len(work), np.bool_),
    }


def _in_other_runs(watched: Watched, work: Int32s) -> _Holds:
    """Runs that may borrow nodes: those that were not profiled, and replays."""
    timeline = watched.timeline
    links, runs = timeline.links, timeline.runs
    run = links.run[work]
    session, profiles = runs.session[run], _Profiles.of(timeline)
    profile_of = np.array([NONE if one.profile is None else one.profile for one in timeline.sessions] + [NONE])
    profile = profile_of[session]
    in_reach = (runs.attached[run] & ATTACHED_ORT_PROFILE) != 0
    cut = in_reach & (profile != NONE) & (runs.end_ns[run] >= profiles.ends_ns[profile])
    named = np.isin(session, timeline.nodes.session[timeline.node_spans.node])
    return {
        WithoutNode.PROFILE_CUT_OFF: cut,
        WithoutNode.PROFILE_ADRIFT: (profile != NONE) & profiles.adrift[profile],
        WithoutNode.SESSION_UNKNOWN: session == NONE,
        WithoutNode.NO_PROFILE: ~named,
        WithoutNode.NONE_TO_BORROW: _has_borrowed(timeline, work),
        WithoutNode.RUN_INCOMPLETE: ~whole_runs(watched)[run],
        WithoutNode.NO_SAME_SEQUENCE: np.ones(len(work), np.bool_),
    }


def _has_borrowed(timeline: Timeline, work: Int32s) -> Bools:
    """Whether other work of the same run, or of the same replay in a profiled run, has borrowed nodes."""
    links, runs = timeline.links, timeline.runs
    all_work = timeline.device_ops.span
    lent = all_work[links.node_by[all_work] == LinkedBy.SAME_SEQUENCE]
    of_run, of_launch = np.isin(links.run[work], links.run[lent]), np.isin(links.launch[work], links.launch[lent])
    return np.asarray(np.where(runs.execute_span[links.run[work]] == NONE, of_run, of_launch), np.bool_)


def _processes(timeline: Timeline, kind: SourceKind) -> list[int]:
    return [source.process for source in timeline.sources if source.kind is kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Profiles:
    """What is amiss with the sources, one entry each, that concerns ORT's profiles alone."""

    is_profile: Bools
    adrift: Bools
    """Whether their place in time is not known, so that nothing was linked to what lies inside their spans."""
    ends_ns: Int64s
    """From when on they don't hold what ORT did; `_NEVER` for those that are whole."""

    @staticmethod
    def of(timeline: Timeline) -> _Profiles:
        count = len(timeline.sources)
        is_profile = np.array([source.kind is SourceKind.ORT_PROFILE for source in timeline.sources], np.bool_)
        doubted = {each.source for each in timeline.problems if each.kind is ProblemKind.CLOCK_DOUBT}
        adrift = np.zeros(count, np.bool_)
        for clock in timeline.clocks:
            adrift[clock.source] = clock.method is ClockMethod.UNCHECKED and clock.source in doubted
        ends_ns = np.full(count, _NEVER, np.int64)
        for problem in timeline.problems:
            number = problem.source
            if number is None or not is_profile[number]:
                continue
            own = timeline.spans.source == number
            if problem.kind is ProblemKind.CUT_OFF:
                ends_ns[number] = timeline.spans.start_ns[own].max(initial=0)
            elif problem.kind is ProblemKind.PROFILE_TRUNCATED:
                ends_ns[number] = timeline.spans.end_ns[own].max(initial=0)
        return _Profiles(is_profile=is_profile, adrift=adrift & is_profile, ends_ns=ends_ns)
