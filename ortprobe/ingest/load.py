"""Loading: a bundle, or bare files that somebody recorded without ortprobe."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from ortprobe.bundle import (
    Bundle,
    Call,
    ClockAnchor,
    Lost,
    ProfileEnded,
    Served,
    SessionCreated,
    Window,
    children_of,
    read_bundle,
)
from ortprobe.bundle.reader import stored_trace
from ortprobe.errors import UnreadableInput, UsageError
from ortprobe.ingest.align import ThreadIntervals, kernel_launches
from ortprobe.ingest.assemble import Decoded, assemble
from ortprobe.ingest.files import LIMIT_NS
from ortprobe.ingest.hook_log import RUN_CALLS, cupti_threads, hooked_runs, session_numbers
from ortprobe.ingest.kineto import KinetoTrace, read_kineto
from ortprobe.ingest.ort_profile import OrtProfile, read_ort_profile
from ortprobe.ingest.place import Place, next_free_ns, place_at_epoch, place_by_fit
from ortprobe.ingest.sessions import sessions_of_log, sessions_of_profiles
from ortprobe.timeline import Capture, Child, Problem, ProblemKind, Timeline
from ortprobe.timeline.intervals import union

_WINDOW_SLACK_NS = 1_000_000_000
_CLOCK_STEP_NS = 10_000
"""The wall clock moved against the monotonic one by more than reading both can explain."""
_LOSSES = {
    "call": ProblemKind.CALLS_LOST,
    "hook": ProblemKind.CALLS_LOST,
    "onnxruntime_hooks": ProblemKind.CALLS_LOST,
    "torch_hooks": ProblemKind.CALLS_LOST,
    "handover": ProblemKind.CALLS_LOST,
    "cupti_records": ProblemKind.RECORDS_DROPPED,
}
"""What the capture says it lost (`Lost.what`), where it has a kind of its own."""
_LONGEST_START = len(str(LIMIT_NS))


def load_bundle(folder: Path) -> Timeline:
    """The Timeline of a bundle. Traces that are missing or damaged become problems of the Timeline.

    Raises:
        UnreadableInput: the folder is no bundle.
    """
    bundle = read_bundle(folder)
    problems = _stated_problems(bundle)
    traces = _bundled_traces(bundle, problems)
    threads = cupti_threads(bundle.records)
    launches = kernel_launches(traces, lambda thread: threads.get(thread, thread))
    sessions = session_numbers(bundle.records)
    profiles = [
        (profile, sessions[created.session], _place(profile, created, launches, bundle))
        for profile, created in _bundled_profiles(bundle, problems)
    ]
    decoded = Decoded(
        profiles=profiles, traces=traces, hooks=bundle, thread_of=lambda thread: threads.get(thread, thread)
    )
    capture = _capture(bundle, traces)
    return assemble(decoded, lambda placed: sessions_of_log(bundle.records, placed), capture, problems)


def load_files(ort: Sequence[Path | str] = (), torch: Sequence[Path | str] = ()) -> Timeline:
    """The Timeline of bare ORT profiles and torch traces of one process.

    An ORT profile may be given as `FILE@START_NS`, with what `get_profiling_start_time_ns()` said; otherwise its place
    is found by fitting kernel launches into its nodes.

    Raises:
        UnreadableInput: a file is missing, cut off, or no trace of its kind.
        UsageError: no file at all.
    """
    if not ort and not torch:
        raise UsageError("nothing to report: give a bundle, or --ort and --torch files")
    traces = [read_kineto(Path(path)) for path in torch]
    launches = kernel_launches(traces)
    named = [_with_start(str(path)) for path in ort]
    profiles = [(read_ort_profile(path), start_ns) for path, start_ns in named]
    first_ns = min((int(trace.start_ns.min()) for trace in traces if len(trace.events)), default=0)
    fallback = next_free_ns([profile for profile, _ in profiles], first_ns)
    placed = [
        (
            profile,
            place_by_fit(profile, launches, otherwise) if start is None else place_at_epoch(profile, start, launches),
        )
        for (profile, start), otherwise in zip(profiles, fallback, strict=True)
    ]
    placed.sort(key=lambda one: one[1].offset_ns)
    decoded = Decoded(
        profiles=[(profile, session, place) for session, (profile, place) in enumerate(placed)], traces=traces
    )
    capture = Capture(versions=_trace_versions(traces), devices=_devices(traces))
    problems = [problem for trace in traces for problem in _incomplete(trace)]
    return assemble(decoded, sessions_of_profiles, capture, problems)


def _place(profile: OrtProfile, created: SessionCreated, launches: ThreadIntervals, bundle: Bundle) -> Place:
    calls = union(*hooked_runs(bundle.records, created.session))
    return place_at_epoch(profile, created.profile_start_ns, launches, calls)


def _with_start(text: str) -> tuple[Path, int | None]:
    path, _, start = text.rpartition("@")
    stated = bool(path) and start.isdecimal() and len(start) <= _LONGEST_START
    return (Path(path), int(start)) if stated else (Path(text), None)


def _bundled_traces(bundle: Bundle, problems: list[Problem]) -> list[KinetoTrace]:
    traces = []
    for record in bundle.records:
        if not isinstance(record, Window):
            continue
        path = stored_trace(bundle.folder, record.file)
        bounds = (record.start_ns, record.end_ns)
        if path is None:
            problems.append(_hole(ProblemKind.NOT_CAPTURED, f"{record.file}: is not in the bundle", bounds))
            continue
        try:
            trace = replace(read_kineto(path), path=record.file)
        except UnreadableInput as error:
            problems.append(_hole(ProblemKind.CUT_OFF, str(error), bounds))
            continue
        problems += _incomplete(trace)
        if outside := _count_outside(trace, record):
            detail = f"{record.file}: the times of {outside:,} of its {len(trace.rows):,} events lie outside of the "
            detail += "time in which it was recorded, so it is left out"
            problems.append(_hole(ProblemKind.CLOCK_DOUBT, detail, bounds, count=outside))
        else:
            traces.append(trace)
    return traces


def _hole(kind: ProblemKind, detail: str, bounds: tuple[int | None, int | None], count: int = 1) -> Problem:
    return Problem(kind=kind, detail=detail, count=count, start_ns=bounds[0], end_ns=bounds[1])


def _count_outside(trace: KinetoTrace, window: Window) -> int:
    """Kineto converts times when it exports: after another profiler was started, to nonsense (torch 2.11, CUDA 13)."""
    start_ns, end_ns = window.start_ns - _WINDOW_SLACK_NS, window.end_ns + _WINDOW_SLACK_NS
    return int(((trace.start_ns < start_ns) | (trace.end_ns > end_ns)).sum())


def _bundled_profiles(bundle: Bundle, problems: list[Problem]) -> list[tuple[OrtProfile, SessionCreated]]:
    ended = {record.session: record for record in bundle.records if isinstance(record, ProfileEnded)}
    profiles = []
    for created in (record for record in bundle.records if isinstance(record, SessionCreated)):
        end = ended.get(created.session)
        path = stored_trace(bundle.folder, end.file) if end else None
        bounds = (created.profile_start_ns or None, end.end_ns if end else None)
        if end is None or path is None:
            if created.profile_start_ns:
                kind = ProblemKind.KILLED if bundle.manifest.ending is None else ProblemKind.EMPTY_SOURCE
                detail = f"session {created.session}: its ONNX Runtime profile was never written"
                problems.append(_hole(kind, detail, bounds))
            continue
        try:
            profiles.append((replace(read_ort_profile(path), path=end.file), created))
        except UnreadableInput as error:
            problems.append(_hole(ProblemKind.CUT_OFF, str(error), bounds))
    return profiles


def _stated_problems(bundle: Bundle) -> list[Problem]:
    """What the capture itself says went wrong."""
    lost = {(record.what, record.session): record for record in bundle.records if isinstance(record, Lost)}
    problems = [
        Problem(kind=_kind_of_loss(record), detail=f"{record.what}: {record.why}", count=record.count)
        for record in lost.values()
    ]
    if bundle.unreadable_lines:
        detail = f"{bundle.unreadable_lines} line(s) of the hook log can't be read"
        problems.append(Problem(kind=ProblemKind.UNREADABLE_EVENTS, detail=detail, count=bundle.unreadable_lines))
    manifest = bundle.manifest
    if manifest.ending is None:
        detail = "the program ended at once (killed, crashed, or by os._exit): the traces still open were never written"
        problems.append(Problem(kind=ProblemKind.KILLED, detail=detail))
    else:
        problems += clock_steps((manifest.clock, manifest.ending.clock))
    return problems


def _kind_of_loss(record: Lost) -> ProblemKind:
    what = record.what.partition(":")[0]
    return _LOSSES.get(what, ProblemKind.NOT_CAPTURED)


def clock_steps(anchors: Sequence[ClockAnchor]) -> list[Problem]:
    """Steps of the wall clock between two readings of it, which are in time order, each with the stretch it lies in."""
    found = []
    for before, after in pairwise(anchors):
        step_ns = (after.realtime_ns - after.monotonic_ns) - (before.realtime_ns - before.monotonic_ns)
        if abs(step_ns) > _CLOCK_STEP_NS:
            start_ns = min(before.realtime_ns, after.realtime_ns)
            found.append(
                Problem(
                    kind=ProblemKind.CLOCK_STEPPED,
                    detail=f"the wall clock was stepped by {step_ns / 1e3:,.0f} µs during the capture",
                    start_ns=start_ns,
                    end_ns=max(before.realtime_ns, after.realtime_ns),
                )
            )
    return found


def _incomplete(trace: KinetoTrace) -> list[Problem]:
    if trace.is_complete:
        return []
    last_ns = int(trace.end_ns.max()) if len(trace.end_ns) else None
    return [_hole(ProblemKind.CUT_OFF, f"{trace.path}: lacks the mark that torch writes at its end", (last_ns, None))]


def _capture(bundle: Bundle, traces: Sequence[KinetoTrace]) -> Capture:
    manifest, environment = bundle.manifest, bundle.manifest.environment
    stated = {
        "ortprobe": manifest.ortprobe,
        "Python": environment.python,
        "onnxruntime": environment.onnxruntime,
        "torch": environment.torch,
        "CUDA of torch": environment.torch_cuda,
        "CUDA driver": environment.cuda_driver,
    }
    return Capture(
        target=manifest.target.name,
        target_kind=manifest.target.kind,
        argv=manifest.target.argv,
        versions={**_trace_versions(traces), **{name: version for name, version in stated.items() if version}},
        devices=tuple(device.name for device in environment.devices),
        process=manifest.process,
        created_ns=manifest.clock.realtime_ns,
        ended=manifest.ending is not None,
        exit_code=manifest.ending.exit_code if manifest.ending else None,
        exception=manifest.ending.exception if manifest.ending else "",
        hook_cost_ns=manifest.hook_cost_ns,
        hooked=True,
        counted_runs=_counted_runs(bundle),
        children=_children(bundle.folder),
    )


def _children(folder: Path) -> tuple[Child, ...]:
    """Child processes that can be read; each is a capture of its own."""
    found = []
    for path in children_of(folder):
        with suppress(UnreadableInput):
            bundle = read_bundle(path)
            calls = (record for record in bundle.records if isinstance(record, Call))
            found.append(
                Child(
                    process=bundle.manifest.process,
                    bundle=str(path.relative_to(folder)),
                    sessions=sum(isinstance(record, SessionCreated) for record in bundle.records),
                    runs=sum(call.what in RUN_CALLS for call in calls) + _counted_runs(bundle),
                )
            )
    return tuple(found)


def _counted_runs(bundle: Bundle) -> int:
    return sum(record.runs for record in bundle.records if isinstance(record, Served))


def _trace_versions(traces: Sequence[KinetoTrace]) -> dict[str, str]:
    return {name: version for trace in traces for name, version in trace.versions.items()}


def _devices(traces: Sequence[KinetoTrace]) -> tuple[str, ...]:
    return next((trace.devices for trace in traces if trace.devices), ())
