"""From decoded sources to a Timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ortprobe.bundle import Bundle, Stream
from ortprobe.ingest.builder import Collected, TimelineBuilder
from ortprobe.ingest.hook_log import add_hook_log
from ortprobe.ingest.integrity import find_problems
from ortprobe.ingest.kineto import KinetoTrace, add_kineto
from ortprobe.ingest.link import link
from ortprobe.ingest.ort_profile import OrtProfile, add_ort_profile, profile_problems
from ortprobe.ingest.place import Place
from ortprobe.ingest.runs import find_runs
from ortprobe.ingest.sessions import PlacedProfile
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
)

SessionsOf = Callable[[Sequence[PlacedProfile]], tuple[Session, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The sources of one process, decoded and placed on the common clock."""

    profiles: Sequence[tuple[OrtProfile, int, Place]]
    """Each with the session it belongs to, and its place."""
    traces: Sequence[KinetoTrace]
    hooks: Bundle | None = None
    thread_of: Callable[[int], int] = int
    """Thread id in a torch trace → OS thread id."""


def assemble(decoded: Decoded, sessions_of: SessionsOf, capture: Capture, problems: Sequence[Problem]) -> Timeline:
    """One Timeline from all sources of one process. `problems` are those already known."""
    hooks = decoded.hooks
    builder = TimelineBuilder()
    if hooks is not None:
        add_hook_log(builder, hooks, "hooks.jsonl")
    placed: list[PlacedProfile] = []
    clocks: list[ClockBound] = []
    all_problems = list(problems)
    for profile, session, place in decoded.profiles:
        source = add_ort_profile(builder, profile, session=session, offset_ns=place.offset_ns)
        placed.append(PlacedProfile(profile=profile, session=session, offset_ns=place.offset_ns, source=source))
        clocks.append(replace(place.bound, source=source))
        all_problems += [replace(problem, source=source) for problem in place.problems]
        all_problems += profile_problems(profile, source)
    for trace in decoded.traces:
        add_kineto(builder, trace, decoded.thread_of)
    collected = builder.collect()
    runs = find_runs(collected, {one.source: one.session for one in placed})
    links = link(collected, runs)
    timeline = Timeline(
        spans=collected.spans,
        lanes=_owned_lanes(collected, links, hooks),
        names=collected.names,
        device_ops=collected.device_ops,
        waits=collected.waits,
        nodes=collected.nodes,
        node_spans=collected.node_spans,
        hooks=collected.hooks,
        runs=runs,
        links=links,
        sessions=sessions_of(placed),
        sources=collected.sources,
        clocks=tuple(clocks),
        problems=tuple(all_problems),
        capture=capture,
    )
    return replace(timeline, problems=find_problems(timeline))


def _owned_lanes(collected: Collected, links: Links, hooks: Bundle | None) -> tuple[Lane, ...]:
    """Lanes with what only the whole shows: who launched work on a stream, and whether the stream is blocking."""
    spans = collected.spans
    work = np.flatnonzero(np.isin(spans.kind, DEVICE_WORK))
    by_ort = set(spans.lane[work[links.run[work] != NONE]].tolist())
    torch_ops = spans.of_kind(Kind.TORCH_OP)
    torch_ids = np.unique(spans.external[torch_ops])
    by_torch = set(spans.lane[work[(links.run[work] == NONE) & np.isin(spans.external[work], torch_ids)]].tolist())
    records = hooks.records if hooks is not None else ()
    blocking = {(one.device, one.trace_id): one.blocking for one in records if isinstance(one, Stream)}
    lanes = []
    for index, lane in enumerate(collected.lanes):
        if lane.kind == LaneKind.STREAM:
            owners = [name for name, lanes_of in (("onnxruntime", by_ort), ("torch", by_torch)) if index in lanes_of]
            owner = "+".join(owners)
            lanes.append(replace(lane, owner=owner, blocking=blocking.get((lane.device, lane.stream))))
        else:
            lanes.append(lane)
    return tuple(lanes)
