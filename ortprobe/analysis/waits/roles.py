"""What each wait is in the program: where in it, and whose."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from ortprobe.analysis.hooked_calls import OWN_HOOKS, SESSION_HOOKS
from ortprobe.analysis.waits.made_waits import MadeWaits
from ortprobe.ingest.linking.containment import containing
from ortprobe.timeline import NONE, Bools, Int32s, Int64s, Kind, Timeline, UInt8s, WaitKind
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES, KERNEL_LAUNCHES, base_name


class WaitRole(StrEnum):
    """What a wait is in the program. The first that holds, in this order.

    ORT ends a run with two `cudaStreamSynchronize`, first of the legacy stream, then of its own; of a session that uses
    a stream of the program's only the second is there (1.31.1, measured on an H100). They are the last two stream
    synchronisations of a run behind its last launch. The one before the last counts as that of the legacy stream when
    it waits for another stream than the last, or when the trace does not say what they wait for: then a node without a
    profile that ends a run with a synchronisation of its own is taken for it.
    """

    UNKNOWN = "unknown"
    """No call of it is in the trace, so that nothing tells its thread and where it was made."""
    PROFILER = "profiler"
    """Made by the capture itself, when it attached or detached a profiler. Without hooks they are `PROGRAM`."""
    SESSION_CREATION = "session-creation"
    """Made while a session was loaded and initialised: uploads of weights."""
    IN_NODE = "in-node"
    """Made inside an ONNX node's span: a node that synchronises, or copies to the host. Needs ORT's profile of the run:
    without it these are `IN_RUN` or `BLOCKING_COPY`."""
    RUN_END_LEGACY = "run-end-legacy"
    """ORT at the end of a run, for the legacy default stream: whatever torch has pending there."""
    RUN_END_OWN = "run-end-own"
    """ORT at the end of a run, for the stream that it ran on."""
    BLOCKING_COPY = "blocking-copy"
    """A copy to the host that returns when the data is there, outside of nodes: outputs of a run that are bound to the
    CPU, or the program's own `.cpu()`."""
    IN_RUN = "in-run"
    """Elsewhere in a run."""
    PROGRAM = "program"
    """Outside of all that: the program's own, of a library that it uses, or ORT's when a session is let go."""


ROLES = tuple(WaitRole)


def roles_of(timeline: Timeline, made: MadeWaits) -> UInt8s:
    """For each wait the position in `ROLES` of what it is."""
    spans, links, timed = timeline.spans, timeline.links, made.timed
    in_run = links.run[timed] != NONE
    in_node = (links.node_span[timed] != NONE) | (links.node[timed] != NONE)
    legacy, own = _run_ends(timeline, made, in_run & ~in_node)
    setup = np.union1d(_hooks(timeline, SESSION_HOOKS), spans.of_kind(Kind.ORT_LOAD, Kind.ORT_INITIALIZE))
    holds = {
        WaitRole.UNKNOWN: made.call == NONE,
        WaitRole.PROFILER: containing(spans, _own_hooks(timeline), timed) != NONE,
        WaitRole.SESSION_CREATION: containing(spans, setup.astype(np.int32), timed) != NONE,
        WaitRole.IN_NODE: in_node,
        WaitRole.RUN_END_LEGACY: legacy,
        WaitRole.RUN_END_OWN: own,
        WaitRole.BLOCKING_COPY: made.is_copy,
        WaitRole.IN_RUN: in_run,
        WaitRole.PROGRAM: np.ones(len(made), np.bool_),
    }
    numbers = [np.uint8(ROLES.index(role)) for role in holds]
    return np.select(list(holds.values()), numbers).astype(np.uint8)


def _hooks(timeline: Timeline, calls: tuple[str, ...]) -> Int32s:
    wanted = np.array([name in calls for name in timeline.names], np.bool_)
    return timeline.hooks.span[wanted[timeline.hooks.what]]


def _own_hooks(timeline: Timeline) -> Int32s:
    own = np.array([name.startswith(OWN_HOOKS) for name in timeline.names], np.bool_)
    return timeline.hooks.span[own[timeline.hooks.what]]


def _run_ends(timeline: Timeline, made: MadeWaits, chosen: Bools) -> tuple[Bools, Bools]:
    """Which of the chosen waits are ORT's for the legacy stream and for its own at the end of a run."""
    run, timed = timeline.links.run[made.timed], made.timed
    legacy, own = np.zeros(len(made), np.bool_), np.zeros(len(made), np.bool_)
    behind = chosen & (made.kind == WaitKind.STREAM_SYNC) & ~made.is_copy
    rows = np.flatnonzero(behind & (timed > _last_launches(timeline)[run]))
    rows = rows[np.argsort(run[rows], kind="stable")]
    last = np.flatnonzero(np.append(run[rows][1:] != run[rows][:-1], True)[: len(rows)])
    own[rows[last]] = True
    second = last[last > 0]
    second = second[run[rows[second - 1]] == run[rows[second]]]
    before = rows[second - 1]
    legacy[before] = _may_be_another(made, before, rows[second])
    return legacy, own


def _may_be_another(made: MadeWaits, first: Int64s, second: Int64s) -> Bools:
    return np.asarray((made.stream[first] != made.stream[second]) | (made.stream[first] == NONE), np.bool_)


def _last_launches(timeline: Timeline) -> Int32s:
    """For each run the last call that launched work, a span; NONE for runs without, and as a last entry for no run."""
    launch, names = timeline.links.launch[timeline.device_ops.span], timeline.names
    launches = [base_name(name) in (*KERNEL_LAUNCHES, *GRAPH_LAUNCHES) for name in names]
    calls = timeline.spans.of_kind(Kind.CUDA_CALL)
    by_name = calls[np.array(launches, np.bool_)[timeline.spans.name[calls]]]
    found = np.full(len(timeline.runs) + 1, NONE, np.int32)
    for each in (launch[launch != NONE], by_name):
        np.maximum.at(found, timeline.links.run[each], each)
    found[NONE] = NONE
    return found
