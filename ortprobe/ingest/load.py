"""Loading: a bundle, or bare files that somebody recorded without ortprobe."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ortprobe.bundle import (
    Bundle,
    Call,
    Lost,
    Manifest,
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
from ortprobe.ingest.models import read_models, recorded_models, with_models
from ortprobe.ingest.ort_profile import OrtProfile, read_ort_profile
from ortprobe.ingest.place import Place, next_free_ns, place_at_epoch, place_by_fit
from ortprobe.ingest.sessions import sessions_of_log, sessions_of_profiles
from ortprobe.timeline import Capture, Child, Problem, ProblemKind, Timeline
from ortprobe.timeline.intervals import union

_WINDOW_SLACK_NS = 1_000_000_000
_CLOCK_STEP_NS = 10_000
"""The wall clock moved against the monotonic one by more than reading both can explain."""
_LONGEST_START = len(str(LIMIT_NS))


def load_bundle(folder: Path, models: Sequence[Path | str] = ()) -> Timeline:
    """The Timeline of a bundle. Traces that are missing or damaged become problems of the Timeline.

    Model files that the program loaded are read where they still lie unchanged; `models` are others.

    Raises:
        UnreadableInput: the folder is no bundle, or one of `models` is no model.
        UsageError: one of `models` is of no session.
    """
    given = read_models(models)
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
    timeline = assemble(decoded, lambda placed: sessions_of_log(bundle.records, placed), capture, problems)
    recorded, of_session = recorded_models(bundle.manifest.models, timeline.sessions)
    return with_models(timeline, [*recorded, *given], of_session)


def load_files(
    ort: Sequence[Path | str] = (), torch: Sequence[Path | str] = (), models: Sequence[Path | str] = ()
) -> Timeline:
    """The Timeline of bare ORT profiles and torch traces of one process, and of the models that it ran.

    An ORT profile may be given as `FILE@START_NS`, with what `get_profiling_start_time_ns()` said; otherwise its place
    is found by fitting kernel launches into its nodes.

    Raises:
        UnreadableInput: a file is missing, cut off, or no trace of its kind.
        UsageError: no file at all, or a model of no session.
    """
    if not ort and not torch:
        raise UsageError("nothing to report: give a bundle, or --ort and --torch files")
    given = read_models(models)
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
    return with_models(assemble(decoded, sessions_of_profiles, capture, problems), given)


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
        if path is None:
            problems.append(Problem(kind=ProblemKind.NOT_CAPTURED, detail=f"{record.file}: is not in the bundle"))
            continue
        try:
            trace = replace(read_kineto(path), path=record.file)
        except UnreadableInput as error:
            problems.append(Problem(kind=ProblemKind.CUT_OFF, detail=str(error)))
            continue
        problems += _incomplete(trace)
        if _lies_in(trace, record):
            traces.append(trace)
        else:
            detail = f"{record.file}: its times lie outside of the time in which it was recorded, so it is left out"
            problems.append(Problem(kind=ProblemKind.CLOCK_DOUBT, detail=detail))
    return traces


def _lies_in(trace: KinetoTrace, window: Window) -> bool:
    """Kineto converts times when it exports: after another profiler was started, to nonsense (torch 2.11, CUDA 13)."""
    start_ns, end_ns = window.start_ns - _WINDOW_SLACK_NS, window.end_ns + _WINDOW_SLACK_NS
    return bool(((trace.start_ns >= start_ns) & (trace.end_ns <= end_ns)).all())


def _bundled_profiles(bundle: Bundle, problems: list[Problem]) -> list[tuple[OrtProfile, SessionCreated]]:
    files = {record.session: record.file for record in bundle.records if isinstance(record, ProfileEnded)}
    profiles = []
    for created in (record for record in bundle.records if isinstance(record, SessionCreated)):
        path = stored_trace(bundle.folder, files[created.session]) if created.session in files else None
        if path is None:
            if created.profile_start_ns:
                kind = ProblemKind.KILLED if bundle.manifest.ending is None else ProblemKind.EMPTY_SOURCE
                detail = f"session {created.session}: its ONNX Runtime profile was never written"
                problems.append(Problem(kind=kind, detail=detail))
            continue
        try:
            profile = replace(read_ort_profile(path), path=files[created.session])
            profiles.append((profile, created))
        except UnreadableInput as error:
            problems.append(Problem(kind=ProblemKind.CUT_OFF, detail=str(error)))
    return profiles


def _stated_problems(bundle: Bundle) -> list[Problem]:
    """What the capture itself says went wrong."""
    lost = {(record.what, record.session): record for record in bundle.records if isinstance(record, Lost)}
    problems = [
        Problem(kind=ProblemKind.NOT_CAPTURED, detail=f"{record.what}: {record.why}", count=record.count)
        for record in lost.values()
    ]
    if bundle.unreadable_lines:
        detail = f"{bundle.unreadable_lines} line(s) of the hook log can't be read"
        problems.append(Problem(kind=ProblemKind.UNREADABLE_EVENTS, detail=detail, count=bundle.unreadable_lines))
    manifest = bundle.manifest
    if manifest.ending is None:
        detail = "the program ended at once (killed, crashed, or by os._exit): the traces still open were never written"
        problems.append(Problem(kind=ProblemKind.KILLED, detail=detail))
    elif abs(step_ns := _clock_step_ns(manifest)) > _CLOCK_STEP_NS:
        detail = f"the wall clock was stepped by {step_ns / 1e3:,.0f} µs during the capture"
        problems.append(Problem(kind=ProblemKind.CLOCK_STEPPED, detail=detail))
    return problems


def _clock_step_ns(manifest: Manifest) -> int:
    if manifest.ending is None:
        return 0
    start, end = manifest.clock, manifest.ending.clock
    return (end.realtime_ns - end.monotonic_ns) - (start.realtime_ns - start.monotonic_ns)


def _incomplete(trace: KinetoTrace) -> list[Problem]:
    if trace.is_complete:
        return []
    return [Problem(kind=ProblemKind.CUT_OFF, detail=f"{trace.path}: lacks the mark that torch writes at its end")]


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
