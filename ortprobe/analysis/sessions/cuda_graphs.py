"""Sessions that were asked for CUDA graphs: which of their runs replayed one, and with which buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.coverage import gpu_traced
from ortprobe.analysis.runs.run_times import RunTimes
from ortprobe.analysis.sessions.given_buffers import Buffer
from ortprobe.timeline import NONE, Bools, Kind, Session, Timeline
from ortprobe.timeline.cuda_calls import GRAPH_LAUNCHES, KERNEL_LAUNCHES, base_name

_CUDA = "CUDAExecutionProvider"
_DEFAULT_ID = "0"
SWITCHED_OFF = "-1"
"""The `gpu_graph_id` of a run that is neither to capture nor to replay (onnxruntime_run_options_config_keys.h)."""


class Replay(StrEnum):
    """What a run of such a session did."""

    REPLAYED = "replayed"
    """It launched a graph and no kernel; or ORT's profile saw the run and no `Execute` in it."""
    CAPTURED = "captured"
    """It launched kernels one by one, or executed nodes, and launched a graph as well."""
    LAUNCHED = "launched"
    """It launched kernels one by one, or executed nodes."""
    UNKNOWN = "unknown"
    """Nothing watched it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRun:
    """One run that did not raise."""

    run: int
    """Row in `Timeline.runs`."""
    replay: Replay
    graph_id: str
    """`gpu_graph_id` of its RunOptions, `0` without."""
    is_first: bool
    """Whether it was the first of its session with this id on its thread: onnxruntime keeps a graph for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleBuffer:
    """A buffer of a run that is not the one its graph was captured with."""

    run: int
    """Row in `Timeline.runs`: replayed a graph, or should have."""
    is_certain: bool
    """Whether it was seen to replay one."""
    captured: Buffer
    given: Buffer


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSession:
    """One session whose CUDA execution provider says that `enable_cuda_graph` is on."""

    session: int
    runs: tuple[GraphRun, ...]
    stale: tuple[StaleBuffer, ...]
    """In time order, one for each buffer of each run."""
    buffers_known: bool
    """Whether it was seen what any of its runs was given."""


def wants_graph(session: Session) -> bool:
    """Whether a session was made with CUDA graphs."""
    return session.provider_options.get(_CUDA, {}).get("enable_cuda_graph") == "1"


def compute_cuda_graphs(
    timeline: Timeline, times: RunTimes, given: Mapping[int, Sequence[Buffer]]
) -> tuple[GraphSession, ...]:
    """One for each such session, in their order."""
    replays, found = _replays(timeline), []
    for session in (each for each in timeline.sessions if wants_graph(each)):
        rows = np.flatnonzero((timeline.runs.session == session.index) & ~times.failed).tolist()
        runs = _runs(timeline, rows, replays)
        found.append(
            GraphSession(
                session=session.index,
                runs=runs,
                stale=tuple(_stale(timeline, runs, given)),
                buffers_known=any(each.run in given for each in runs),
            )
        )
    return tuple(found)


def _runs(timeline: Timeline, rows: Sequence[int], replays: Sequence[Replay]) -> tuple[GraphRun, ...]:
    seen: set[tuple[int, str]] = set()
    runs = []
    for run in rows:
        graph_id = _graph_id(timeline, run)
        key = (int(timeline.runs.lane[run]), graph_id)
        runs.append(GraphRun(run=run, replay=replays[run], graph_id=graph_id, is_first=key not in seen))
        seen.add(key)
    return tuple(runs)


def _graph_id(timeline: Timeline, run: int) -> str:
    (row,) = timeline.hooks.rows_of(timeline.runs.hook_span[run : run + 1]).tolist()
    options = int(timeline.hooks.run_options[row]) if row != NONE else NONE
    entries = dict(each.split("=", 1) for each in timeline.names[options].split(" ")) if options != NONE else {}
    return entries.get("gpu_graph_id", _DEFAULT_ID)


def _replays(timeline: Timeline) -> list[Replay]:
    runs, traced = timeline.runs, gpu_traced(timeline)
    kernels, graphs = (_any_call(timeline, names) for names in (KERNEL_LAUNCHES, GRAPH_LAUNCHES))
    profiled, executed = runs.run_span != NONE, runs.execute_span != NONE
    one_by_one = executed | (traced & kernels)
    found = np.select(
        [one_by_one & graphs, one_by_one, (traced & graphs) | (profiled & ~executed)],
        [Replay.CAPTURED, Replay.LAUNCHED, Replay.REPLAYED],
        Replay.UNKNOWN,
    )
    return [Replay(str(each)) for each in found.tolist()]


def _any_call(timeline: Timeline, names: Sequence[str]) -> Bools:
    """For each run whether it made one of these CUDA calls."""
    calls = timeline.spans.of_kind(Kind.CUDA_CALL)
    calls = calls[timeline.links.run[calls] != NONE]
    wanted = [
        name
        for name in np.unique(timeline.spans.name[calls]).tolist()
        if base_name(timeline.names[name]) in names
    ]  # fmt: skip
    made = np.zeros(len(timeline.runs), np.bool_)
    made[timeline.links.run[calls[np.isin(timeline.spans.name[calls], wanted)]]] = True
    return made


def _stale(
    timeline: Timeline, runs: Sequence[GraphRun], given: Mapping[int, Sequence[Buffer]]
) -> list[StaleBuffer]:  # fmt: skip
    """Compares what each run was given with what the last run before it that may have captured was given.

    A run that was seen to launch its kernels one by one reads what it was given, and captures that if it captures.
    """
    captured: dict[tuple[int, str], dict[tuple[int, bool], Buffer]] = {}
    stale = []
    for each in runs:
        if each.graph_id == SWITCHED_OFF or each.run not in given:
            continue
        key = (int(timeline.runs.lane[each.run]), each.graph_id)
        buffers = {
            (buffer.name, buffer.is_output): buffer
            for buffer in given[each.run]
            if buffer.address and not buffer.on_host
        }
        if key not in captured or each.replay in (Replay.CAPTURED, Replay.LAUNCHED):
            captured[key] = buffers
            continue
        stale += [
            StaleBuffer(
                run=each.run,
                is_certain=each.replay is Replay.REPLAYED,
                captured=captured[key][name],
                given=buffer,
            )
            for name, buffer in buffers.items()
            if name in captured[key] and captured[key][name].address != buffer.address
        ]
    return stale
