"""What a Timeline says, in the terms of the history it was captured from, so that it can be held against the truth."""

from __future__ import annotations

from dataclasses import dataclass

from traces.history import Interval
from traces.origin import Origin
from traces.truth import NodeKey
from traces.written import Written, file_name

from ortprobe.timeline import NONE, ProblemKind, SourceKind, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The spans of a Timeline and their links, by what they are spans of."""

    times: dict[Origin, Interval]
    """Absolute, in ns since the start of the history."""
    launches: dict[Origin, object]
    """An `Origin`; only for spans that have a link, as in all of these."""
    runs: dict[Origin, int]
    nodes: dict[Origin, NodeKey]
    executions: dict[Origin, Origin | None]
    problems: dict[str, int]
    """Summed counts, by the value of the `ProblemKind`; launches without work are one wherever they are."""
    doubts_clock: bool
    """Whether some profile's place in time is doubted, or was not checked."""


_ONE_KIND = {
    ProblemKind.LOST_HEAD: ProblemKind.LAUNCHES_WITHOUT_WORK,
    ProblemKind.LOST_TAIL: ProblemKind.LAUNCHES_WITHOUT_WORK,
}


def find(timeline: Timeline, written: Written) -> Found:
    """Raises AssertionError where a span is of no row of a file, or two spans are of one."""
    origins = origins_of(timeline, written)
    spans, links = timeline.spans, timeline.links
    times, launches, runs, nodes, executions = {}, {}, {}, {}, {}
    runs_made = _runs(timeline, origins)
    for span, origin in enumerate(origins):
        if origin is None:
            continue
        assert origin not in times, f"{origin} is there twice"
        epoch_ns = written.recording.epoch_ns
        times[origin] = (int(spans.start_ns[span]) - epoch_ns, int(spans.end_ns[span]) - epoch_ns)
        if (launch := int(links.launch[span])) != NONE:
            launches[origin] = origins[launch]
        if (run := int(links.run[span])) != NONE:
            runs[origin] = runs_made[run]
        if (node := int(links.node[span])) != NONE:
            nodes[origin] = _node(timeline, written, node)
        if (execution := int(links.node_span[span])) != NONE:
            executions[origin] = origins[execution]
    problems: dict[str, int] = {}
    for problem in timeline.problems:
        kind = _ONE_KIND.get(problem.kind, problem.kind)
        problems[kind.value] = problems.get(kind.value, 0) + problem.count
    doubted = ProblemKind.CLOCK_DOUBT.value in problems or any(not clock.witnesses for clock in timeline.clocks)
    return Found(
        times=times, launches=launches, runs=runs, nodes=nodes, executions=executions, problems=problems,
        doubts_clock=doubted,
    )  # fmt: skip


def offset_bounds(timeline: Timeline, written: Written) -> list[tuple[int, int, int]]:
    """For each profile whose place has a bound: the least and the greatest start of its profiling that it allows, and
    the true start; all Unix epoch ns."""
    found = []
    for clock in timeline.clocks:
        is_profile = timeline.sources[clock.source].kind is SourceKind.ORT_PROFILE
        if not is_profile or clock.low_ns is None or clock.high_ns is None:
            continue
        name = file_name(timeline.sources[clock.source].path)
        span = int((timeline.spans.source == clock.source).argmax())
        written_us = written.profiles[name].start_us[int(timeline.spans.row[span])]
        applied_ns = int(timeline.spans.start_ns[span]) - written_us * 1000
        made = written.history.sessions[written.session_of_profile[name]]
        true_ns = written.recording.epoch_ns + made.profiling_start_ns
        found.append((applied_ns + clock.low_ns, applied_ns + clock.high_ns, true_ns))
    return found


def origins_of(timeline: Timeline, written: Written) -> list[Origin | None]:
    paths = [source.path for source in timeline.sources]
    return [
        written.of_row(paths[source], row)
        for source, row in zip(timeline.spans.source.tolist(), timeline.spans.row.tolist(), strict=True)
    ]


def _runs(timeline: Timeline, origins: list[Origin | None]) -> list[int]:
    """The number of each run; hooked call and `model_run` must be of the same one."""
    numbers = []
    for hook, run in zip(timeline.runs.hook_span.tolist(), timeline.runs.run_span.tolist(), strict=True):
        made = {origins[span].number for span in (hook, run) if span != NONE}
        assert len(made) == 1, f"one run is made of several: {made}"
        numbers += made
    assert len(set(numbers)) == len(numbers), "one run is there as several"
    return numbers


def _node(timeline: Timeline, written: Written, node: int) -> NodeKey:
    session = timeline.sessions[int(timeline.nodes.session[node])]
    name = timeline.names[int(timeline.nodes.name[node])]
    if written.is_bundle:
        return session.index, name
    assert session.profile is not None
    source = timeline.sources[session.profile]
    assert source.kind is SourceKind.ORT_PROFILE
    return written.session_of_profile[file_name(source.path)], name
