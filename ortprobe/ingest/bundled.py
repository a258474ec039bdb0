"""What a bundle holds of one process: its traces and profiles, decoded and placed, and what is missing from it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ortprobe.bundle import (
    Bundle,
    Call,
    Confirmation,
    Lost,
    ProfileEnded,
    Served,
    SessionCreated,
    Window,
    read_confirmations,
    read_files,
    stored_trace,
)
from ortprobe.errors import UnreadableInput
from ortprobe.ingest.assemble import Decoded
from ortprobe.ingest.clocks.align import ThreadIntervals, kernel_launches
from ortprobe.ingest.clocks.check import doubt_about, trace_bound
from ortprobe.ingest.clocks.place import Place, place_at_epoch
from ortprobe.ingest.clocks.steps import (
    Step,
    SteppedClock,
    clock_of,
    located,
    on_one_clock,
    trace_offset_ns,
    until_step,
)
from ortprobe.ingest.linking.sessions import sessions_of_log
from ortprobe.ingest.sources.device_trace import DeviceTrace
from ortprobe.ingest.sources.files import TraceFile
from ortprobe.ingest.sources.hook_log import RUN_CALLS, cupti_threads, hooked_runs, session_numbers
from ortprobe.ingest.sources.kineto import read_kineto
from ortprobe.ingest.sources.ort_profile import OrtProfile, read_ort_profile
from ortprobe.timeline import Capture, Child, Problem, ProblemKind, RaceTry
from ortprobe.timeline.intervals import union

_WINDOW_SLACK_NS = 1_000_000_000
_STEPPED_WINDOW = (
    "the wall clock was stepped while it was recorded, and Kineto fits all times of a window to it: they are in doubt"
)
_LOSSES = {
    "call": ProblemKind.CALLS_LOST,
    "hook": ProblemKind.CALLS_LOST,
    "onnxruntime_hooks": ProblemKind.CALLS_LOST,
    "torch_hooks": ProblemKind.CALLS_LOST,
    "handover": ProblemKind.CALLS_LOST,
    "cupti_records": ProblemKind.RECORDS_DROPPED,
}
"""What the capture says it lost (`Lost.what`), where it has a kind of its own."""


def decode_bundle(bundle: Bundle, others: Sequence[DeviceTrace] = ()) -> Decoded:
    """All sources of a bundle, and `others` that were recorded of its process at the same time. Those that are missing
    or damaged become problems."""
    problems = _stated_problems(bundle)
    confirmations, damage = read_confirmations(bundle.files)
    if damage:
        problems.append(Problem(kind=ProblemKind.NOT_CAPTURED, detail=damage))
    clock = clock_of(bundle)
    problems += clock.problems()
    clock = located(bundle, clock)
    recorded, bundle = bundle, on_one_clock(bundle, clock)
    windows = [*_traces(recorded, clock, problems), *((trace, None) for trace in others)]
    threads = cupti_threads(bundle.records)
    sound = [trace for trace, step in windows if step is None]
    launches = kernel_launches(sound, lambda thread: threads.get(thread, thread))
    bounds = [
        trace_bound(trace, bundle.records, lambda thread: threads.get(thread, thread)) if step is None else None
        for trace, step in windows
    ]
    traces = [
        replace(trace, problems=(*trace.problems, *doubt_about(trace, bound)))
        for (trace, _), bound in zip(windows, bounds, strict=True)
    ]
    sessions = session_numbers(bundle.records)
    return Decoded(
        profiles=[
            (profile, sessions[created.session], _place(profile, created, launches, bundle))
            for profile, created in _profiles(bundle, clock, problems)
        ],
        traces=traces,
        trace_bounds=bounds,
        hooks=bundle,
        thread_of=lambda thread: threads.get(thread, thread),
        sessions_of=lambda placed: sessions_of_log(bundle.records, placed),
        capture=replace(_capture(bundle, traces), race_tries=tuple(map(_race_try, confirmations))),
        problems=problems,
    )


def _place(profile: OrtProfile, created: SessionCreated, launches: ThreadIntervals, bundle: Bundle) -> Place:
    calls = union(*hooked_runs(bundle.records, created.session))
    return place_at_epoch(profile, created.profile_start_ns, launches, calls)


def _traces(bundle: Bundle, clock: SteppedClock, problems: list[Problem]) -> list[tuple[DeviceTrace, Step | None]]:
    """Traces on the clock of the capture's start, each with the step that its window spans."""
    traces = []
    for at, record in enumerate(bundle.records):
        if not isinstance(record, Window):
            continue
        file = _trace_file(bundle, record.file)
        offset_ns = trace_offset_ns(record, at, clock)
        bounds = (record.start_ns - offset_ns, clock.to_start(record.end_ns, at))
        if file is None:
            problems.append(_hole(ProblemKind.NOT_CAPTURED, f"{record.file}: is not in the bundle", bounds))
            continue
        try:
            trace = replace(read_kineto(file), path=record.file)
        except UnreadableInput as error:
            problems.append(_hole(ProblemKind.CUT_OFF, str(error), bounds))
            continue
        if outside := _count_outside(trace, record):
            detail = f"{record.file}: the times of {outside:,} of its {len(trace):,} events lie outside of the "
            detail += "time in which it was recorded, so it is left out"
            problems += [*trace.problems, _hole(ProblemKind.CLOCK_DOUBT, detail, bounds, count=outside)]
        else:
            step = clock.first_within(record.began_monotonic_ns, bounds[0], at)
            if step is not None:
                problems.append(_hole(ProblemKind.CLOCK_STEPPED, f"{record.file}: {_STEPPED_WINDOW}", bounds))
            traces.append((_earlier(trace, offset_ns), step))
    return traces


def _earlier(trace: DeviceTrace, by_ns: int) -> DeviceTrace:
    """The trace with its times put on the clock of before a step."""
    if not by_ns:
        return trace
    problems = tuple(
        replace(
            problem,
            start_ns=None if problem.start_ns is None else problem.start_ns - by_ns,
            end_ns=None if problem.end_ns is None else problem.end_ns - by_ns,
        )
        for problem in trace.problems
    )
    return replace(trace, start_ns=trace.start_ns - by_ns, end_ns=trace.end_ns - by_ns, problems=problems)


def _hole(kind: ProblemKind, detail: str, bounds: tuple[int | None, int | None], count: int = 1) -> Problem:
    return Problem(kind=kind, detail=detail, count=count, start_ns=bounds[0], end_ns=bounds[1])


def _count_outside(trace: DeviceTrace, window: Window) -> int:
    """Kineto converts times when it exports: after another profiler was started, to nonsense (torch 2.11, CUDA 13)."""
    start_ns, end_ns = window.start_ns - _WINDOW_SLACK_NS, window.end_ns + _WINDOW_SLACK_NS
    return int(((trace.start_ns < start_ns) | (trace.end_ns > end_ns)).sum())


def _profiles(bundle: Bundle, clock: SteppedClock, problems: list[Problem]) -> list[tuple[OrtProfile, SessionCreated]]:
    """Profiles as far as no step of the clock spoils them, and the records of their sessions."""
    ended = {record.session: record for record in bundle.records if isinstance(record, ProfileEnded)}
    ended_at = {record.session: at for at, record in enumerate(bundle.records) if isinstance(record, ProfileEnded)}
    profiles = []
    for created in (record for record in bundle.records if isinstance(record, SessionCreated)):
        end = ended.get(created.session)
        file = _trace_file(bundle, end.file) if end else None
        bounds = (created.profile_start_ns or None, end.end_ns if end else None)
        if end is None or file is None:
            if created.profile_start_ns:
                kind = ProblemKind.KILLED if bundle.manifest.ending is None else ProblemKind.EMPTY_SOURCE
                detail = f"session {created.session}: its ONNX Runtime profile was never written"
                problems.append(_hole(kind, detail, bounds))
            continue
        try:
            profile = replace(read_ort_profile(file), path=end.file)
        except UnreadableInput as error:
            problems.append(_hole(ProblemKind.EMPTY_SOURCE, str(error), bounds))
            continue
        start_ns = created.profile_start_ns
        step = clock.first_within(created.began_monotonic_ns, start_ns, ended_at[created.session])
        if step is not None:
            profile = until_step(profile, step, start_ns, end.end_ns)
        profiles.append((profile, created))
    return profiles


def _trace_file(bundle: Bundle, name: str) -> TraceFile | None:
    stored = stored_trace(bundle.files, name)
    return TraceFile(stored, partial(bundle.files.open, stored)) if stored is not None else None


def _stated_problems(bundle: Bundle) -> list[Problem]:
    """What the capture itself says went wrong."""
    lost = {(record.what, record.session): record for record in bundle.records if isinstance(record, Lost)}
    problems = [
        Problem(kind=_kind_of_loss(record), detail=f"{record.what}: {record.why}", count=record.count)
        for record in lost.values()
    ]
    if bundle.unreadable_lines:
        detail = f"{bundle.unreadable_lines} line(s) of the hook log can't be read"
        problems.append(Problem(kind=ProblemKind.UNREADABLE_RECORDS, detail=detail, count=bundle.unreadable_lines))
    if bundle.manifest.ending is None:
        detail = "the program ended at once (killed, crashed, or by os._exit): the traces still open were never written"
        problems.append(Problem(kind=ProblemKind.KILLED, detail=detail))
    return problems


def _kind_of_loss(record: Lost) -> ProblemKind:
    what = record.what.partition(":")[0]
    return _LOSSES.get(what, ProblemKind.NOT_CAPTURED)


def _capture(bundle: Bundle, traces: Sequence[DeviceTrace]) -> Capture:
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
        gpus={device.index: device.uuid for device in environment.devices if device.uuid},
        cpu=environment.cpu,
        cpu_count=environment.cpu_count,
        usable_cpus=environment.usable_cpus or environment.cpu_count or None,
        physical_cores=environment.physical_cores or None,
        model_hashes={model.path: model.sha256 for model in manifest.models if model.path and model.sha256},
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


def _race_try(one: Confirmation) -> RaceTry:
    return RaceTry(
        hazard=one.suspect.hazard,
        first_site=one.suspect.first_site,
        second_site=one.suspect.second_site,
        tried=one.tried,
        changed=one.changed,
        why=one.why,
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


def trace_versions(traces: Sequence[DeviceTrace]) -> dict[str, str]:
    """What the traces state of CUPTI, the runtime and the driver."""
    return {name: version for trace in traces for name, version in trace.versions.items()}
