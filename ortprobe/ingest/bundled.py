"""What a bundle holds of one process: its traces and profiles, decoded and placed, and what is missing from it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ortprobe.bundle import (
    Bundle,
    Call,
    Lost,
    Manifest,
    ProfileEnded,
    Served,
    SessionCreated,
    Window,
    read_files,
    stored_trace,
)
from ortprobe.errors import UnreadableInput
from ortprobe.ingest.align import ThreadIntervals, kernel_launches
from ortprobe.ingest.assemble import Decoded
from ortprobe.ingest.files import TraceFile
from ortprobe.ingest.hook_log import RUN_CALLS, cupti_threads, hooked_runs, session_numbers
from ortprobe.ingest.kineto import KinetoTrace, read_kineto
from ortprobe.ingest.ort_profile import OrtProfile, read_ort_profile
from ortprobe.ingest.place import Place, place_at_epoch
from ortprobe.ingest.sessions import sessions_of_log
from ortprobe.timeline import Capture, Child, Problem, ProblemKind
from ortprobe.timeline.intervals import union

_WINDOW_SLACK_NS = 1_000_000_000
_CLOCK_STEP_NS = 10_000
"""The wall clock moved against the monotonic one by more than reading both can explain."""


def decode_bundle(bundle: Bundle) -> Decoded:
    """All sources of a bundle. Those that are missing or damaged become problems."""
    problems = _stated_problems(bundle)
    traces = _traces(bundle, problems)
    threads = cupti_threads(bundle.records)
    launches = kernel_launches(traces, lambda thread: threads.get(thread, thread))
    sessions = session_numbers(bundle.records)
    return Decoded(
        profiles=[
            (profile, sessions[created.session], _place(profile, created, launches, bundle))
            for profile, created in _profiles(bundle, problems)
        ],
        traces=traces,
        hooks=bundle,
        thread_of=lambda thread: threads.get(thread, thread),
        sessions_of=lambda placed: sessions_of_log(bundle.records, placed),
        capture=_capture(bundle, traces),
        problems=problems,
    )


def _place(profile: OrtProfile, created: SessionCreated, launches: ThreadIntervals, bundle: Bundle) -> Place:
    calls = union(*hooked_runs(bundle.records, created.session))
    return place_at_epoch(profile, created.profile_start_ns, launches, calls)


def _traces(bundle: Bundle, problems: list[Problem]) -> list[KinetoTrace]:
    traces = []
    for record in bundle.records:
        if not isinstance(record, Window):
            continue
        file = _trace_file(bundle, record.file)
        if file is None:
            problems.append(Problem(kind=ProblemKind.NOT_CAPTURED, detail=f"{record.file}: is not in the bundle"))
            continue
        try:
            trace = replace(read_kineto(file), path=record.file)
        except UnreadableInput as error:
            problems.append(Problem(kind=ProblemKind.CUT_OFF, detail=str(error)))
            continue
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


def _profiles(bundle: Bundle, problems: list[Problem]) -> list[tuple[OrtProfile, SessionCreated]]:
    files = {record.session: record.file for record in bundle.records if isinstance(record, ProfileEnded)}
    profiles = []
    for created in (record for record in bundle.records if isinstance(record, SessionCreated)):
        file = _trace_file(bundle, files[created.session]) if created.session in files else None
        if file is None:
            if created.profile_start_ns:
                kind = ProblemKind.KILLED if bundle.manifest.ending is None else ProblemKind.EMPTY_SOURCE
                detail = f"session {created.session}: its ONNX Runtime profile was never written"
                problems.append(Problem(kind=kind, detail=detail))
            continue
        try:
            profiles.append((replace(read_ort_profile(file), path=files[created.session]), created))
        except UnreadableInput as error:
            problems.append(Problem(kind=ProblemKind.CUT_OFF, detail=str(error)))
    return profiles


def _trace_file(bundle: Bundle, name: str) -> TraceFile | None:
    stored = stored_trace(bundle.files, name)
    return TraceFile(stored, partial(bundle.files.open, stored)) if stored is not None else None


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
        versions={**trace_versions(traces), **{name: version for name, version in stated.items() if version}},
        devices=tuple(device.name for device in environment.devices),
        process=manifest.process,
        created_ns=manifest.clock.realtime_ns,
        ended=manifest.ending is not None,
        exit_code=manifest.ending.exit_code if manifest.ending else None,
        exception=manifest.ending.exception if manifest.ending else "",
        hook_cost_ns=manifest.hook_cost_ns,
        hooked=True,
        counted_runs=_counted_runs(bundle),
        children=_children(bundle),
    )


def _children(parent: Bundle) -> tuple[Child, ...]:
    """Child processes that can be read; each is a capture of its own."""
    found = []
    for name, files in parent.files.children().items():
        with suppress(UnreadableInput):
            bundle = read_files(files)
            calls = (record for record in bundle.records if isinstance(record, Call))
            found.append(
                Child(
                    process=bundle.manifest.process,
                    bundle=name,
                    sessions=sum(isinstance(record, SessionCreated) for record in bundle.records),
                    runs=sum(call.what in RUN_CALLS for call in calls) + _counted_runs(bundle),
                )
            )
    return tuple(found)


def _counted_runs(bundle: Bundle) -> int:
    return sum(record.runs for record in bundle.records if isinstance(record, Served))


def trace_versions(traces: Sequence[KinetoTrace]) -> dict[str, str]:
    """What the traces state of CUPTI, the runtime and the driver."""
    return {name: version for trace in traces for name, version in trace.versions.items()}
