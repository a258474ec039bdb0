"""From decoded sources to a Timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from ortprobe.bundle import HOOK_LOG_NAME, Bundle, Stream
from ortprobe.ingest.builder import Collected, TimelineBuilder
from ortprobe.ingest.clocks.place import Place
from ortprobe.ingest.integrity import find_problems
from ortprobe.ingest.linking.link import link
from ortprobe.ingest.linking.runs import find_runs
from ortprobe.ingest.linking.sessions import PlacedProfile
from ortprobe.ingest.linking.transfer import lend_nodes
from ortprobe.ingest.mixed_devices import find_mixed_devices
from ortprobe.ingest.sources.device_trace import DeviceTrace, add_trace
from ortprobe.ingest.sources.hook_log import add_hook_log
from ortprobe.ingest.sources.ort_profile import OrtProfile, add_ort_profile
from ortprobe.timeline import (
    DEVICE_WORK,
    NONE,
    Capture,
    ClockBound,
    Kind,
    Lane,
    LaneKind,
    Links,
    Problem,
    Session,
    Timeline,
    own_stream,
)

SessionsOf = Callable[[Sequence[PlacedProfile]], tuple[Session, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The sources of one process, decoded and placed on the common clock."""

    profiles: Sequence[tuple[OrtProfile, int, Place]]
    """Each with the session of the process that it belongs to, and its place."""
    traces: Sequence[DeviceTrace]
    trace_bounds: Sequence[ClockBound | None] = ()
    """What the hook log allows each trace's clock, in their order; empty without hooks."""
    sessions_of: SessionsOf
    capture: Capture
    hooks: Bundle | None = None
    thread_of: Callable[[int], int] = int
    """Thread id in a torch trace → OS thread id."""
    problems: Sequence[Problem] = ()

    @property
    def process(self) -> int:
        """OS process id; NONE where no source states it."""
        of_sources = (
            self.capture.process,
            *(trace.process for trace in self.traces),
            *(process for profile, _, _ in self.profiles for process, _ in profile.places),
        )
        return next((process for process in of_sources if process != NONE), NONE)

    @property
    def gpus(self) -> dict[int, str]:
        """UUIDs of the devices that the process worked on, as far as a source states them."""
        stated = {device: uuid for trace in self.traces for device, uuid in trace.gpus.items()}
        stated |= self.capture.gpus
        used = {device for trace in self.traces for device in trace.devices_with_work}
        return {device: uuid for device, uuid in stated.items() if device in used}


def assemble(processes: Sequence[Decoded], problems: Sequence[Problem] = ()) -> Timeline:
    """One Timeline from all sources of one or several processes of one machine. `problems` are of them together."""
    builder = TimelineBuilder()
    added: list[_Added] = []
    for decoded in processes:
        added.append(_add(builder, decoded, sum(len(one.sessions) for one in added)))
    collected = builder.collect()
    sessions = tuple(session for one in added for session in one.sessions)
    afloat = [source for one in added for source in one.afloat]
    runs = find_runs(collected, {one.profile: one.index for one in sessions if one.profile is not None}, afloat)
    links = link(collected, runs, afloat, {source: at_ns for one in added for source, at_ns in one.ends_ns.items()})
    stated = (problem for one in added for problem in one.problems)
    timeline = Timeline(
        spans=collected.spans,
        lanes=_owned_lanes(collected, links, _blocking(processes)),
        names=collected.names,
        device_ops=collected.device_ops,
        waits=collected.waits,
        nodes=collected.nodes,
        node_spans=collected.node_spans,
        hooks=collected.hooks,
        handovers=collected.handovers,
        tensor_uses=collected.tensor_uses,
        runs=runs,
        links=links,
        sessions=sessions,
        sources=collected.sources,
        clocks=tuple(clock for one in added for clock in one.clocks),
        problems=(*problems, *find_mixed_devices([(one.process, one.gpus) for one in processes]), *_once(stated)),
        capture=_together([decoded.capture for decoded in processes]),
    )
    timeline = replace(timeline, links=lend_nodes(timeline))
    return replace(timeline, problems=find_problems(timeline))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Added:
    """What adding a process's sources leaves to put together."""

    sessions: tuple[Session, ...]
    clocks: tuple[ClockBound, ...]
    problems: tuple[Problem, ...]
    afloat: tuple[int, ...]
    """Sources whose place in time is not known."""
    ends_ns: Mapping[int, int]
    """From when on any span of a source that was cut off may be missing."""


def _add(builder: TimelineBuilder, decoded: Decoded, first_session: int) -> _Added:
    builder.begin_process(decoded.process, first_session)
    problems = list(decoded.problems)
    if decoded.hooks is not None:
        add_hook_log(builder, decoded.hooks, HOOK_LOG_NAME)
    placed: list[PlacedProfile] = []
    clocks: list[ClockBound] = []
    afloat: list[int] = []
    ends_ns: dict[int, int] = {}
    for profile, session, place in decoded.profiles:
        source = add_ort_profile(builder, profile, session=session, offset_ns=place.offset_ns)
        placed.append(PlacedProfile(profile=profile, session=session, offset_ns=place.offset_ns, source=source))
        clocks.append(replace(place.bound, source=source))
        afloat += [] if place.is_known else [source]
        if profile.is_cut_off:
            ends_ns[source] = int(profile.start_ns.max(initial=0)) + place.offset_ns
        problems += [*_of_source(place.problems, source), *_of_source(profile.problems, source, place.offset_ns)]
    for trace, bound in zip_longest(decoded.traces, decoded.trace_bounds):
        source = add_trace(builder, trace, decoded.thread_of)
        clocks += [replace(bound, source=source)] if bound is not None else []
        problems += _of_source(trace.problems, source)
    sessions = tuple(_after(first_session, one, decoded.process) for one in decoded.sessions_of(placed))
    return _Added(
        sessions=sessions,
        clocks=tuple(clocks),
        problems=tuple(problems),
        afloat=tuple(afloat),
        ends_ns=ends_ns,
    )


def _after(first: int, session: Session, process: int) -> Session:
    """A session of a process, numbered behind those of the processes before."""
    replaces = None if session.replaces is None else session.replaces + first
    return replace(session, index=session.index + first, replaces=replaces, process=process)


def _together(captures: Sequence[Capture]) -> Capture:
    """The first process's, with what holds for all. Children that are here themselves are no others."""
    if len(captures) == 1:
        return captures[0]
    here = {capture.process for capture in captures}
    return replace(
        captures[0],
        model_hashes={path: value for one in captures for path, value in one.model_hashes.items()},
        children=tuple(child for one in captures for child in one.children if child.process not in here),
        ended=all(capture.ended for capture in captures),
        counted_runs=sum(capture.counted_runs for capture in captures),
        processes=len(captures),
        hooked=all(capture.hooked for capture in captures),
    )


def _of_source(problems: Sequence[Problem], source: int, offset_ns: int = 0) -> list[Problem]:
    """Problems of a source, with their stretches on the common clock."""
    return [
        replace(
            problem,
            source=source,
            start_ns=None if problem.start_ns is None else problem.start_ns + offset_ns,
            end_ns=None if problem.end_ns is None else problem.end_ns + offset_ns,
        )
        for problem in problems
    ]


def _once(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Each of them once: a file that holds several processes has the same holes for all of them."""
    seen = set()
    for problem in problems:
        same = replace(problem, source=None)
        if same not in seen:
            seen.add(same)
            yield problem


def _blocking(processes: Sequence[Decoded]) -> dict[tuple[int, int, int], bool | None]:
    """(process, device, stream) → whether the stream orders itself with the legacy default stream, where one says."""
    stated: dict[tuple[int, int, int], bool | None] = {}
    for one in processes:
        for trace in one.traces:
            process = trace.process
            stated |= {(process, *stream): is_blocking for stream, is_blocking in trace.blocking.items()}
        for record in one.hooks.records if one.hooks is not None else ():
            if isinstance(record, Stream):
                stated[one.process, record.device, record.trace_id] = record.blocking
    return stated


def _owned_lanes(
    collected: Collected, links: Links, blocking: Mapping[tuple[int, int, int], bool | None]
) -> tuple[Lane, ...]:  # fmt: skip
    """Lanes with what only the whole shows: who launched work on a stream, and whether the stream is blocking."""
    spans = collected.spans
    work = np.flatnonzero(np.isin(spans.kind, DEVICE_WORK))
    by_ort = set(spans.lane[work[links.run[work] != NONE]].tolist())
    torch_ops = spans.of_kind(Kind.TORCH_OP)
    torch_ids = np.unique(spans.external[torch_ops])
    by_torch = set(spans.lane[work[(links.run[work] == NONE) & np.isin(spans.external[work], torch_ids)]].tolist())
    lanes = []
    for index, lane in enumerate(collected.lanes):
        if lane.kind == LaneKind.STREAM:
            owners = [name for name, lanes_of in (("onnxruntime", by_ort), ("torch", by_torch)) if index in lanes_of]
            owner = "+".join(owners)
            lanes.append(
                replace(lane, owner=owner, blocking=blocking.get((lane.process, lane.device, own_stream(lane.stream))))
            )
        else:
            lanes.append(lane)
    return tuple(lanes)
