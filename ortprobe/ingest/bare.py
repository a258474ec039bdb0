"""ORT profiles, torch traces and exports of Nsight Systems that somebody recorded without ortprobe, sorted by process
and placed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ortprobe.ingest.assemble import Decoded
from ortprobe.ingest.bundled import trace_versions
from ortprobe.ingest.clocks.align import kernel_launches
from ortprobe.ingest.clocks.place import Place, next_free_ns, place_at_epoch, place_by_fit
from ortprobe.ingest.exported import refuse_export
from ortprobe.ingest.linking.sessions import sessions_of_profiles
from ortprobe.ingest.sources.device_trace import DeviceTrace, refuse_repeated
from ortprobe.ingest.sources.files import LIMIT_NS, TraceFile
from ortprobe.ingest.sources.kineto import read_kineto
from ortprobe.ingest.sources.nsight.recording import read_nsight
from ortprobe.ingest.sources.ort_profile import OrtProfile, read_ort_profile
from ortprobe.timeline import NONE, Capture

_LONGEST_START = len(str(LIMIT_NS))
_Stated = tuple[OrtProfile, int | None]
"""A profile with when it started, if that was given."""


def decode_files(ort: Sequence[str], torch: Sequence[str], nsys: Sequence[Path] = ()) -> list[Decoded]:
    """The files' sources, one `Decoded` for each process that they name.

    Raises:
        UnreadableInput: a file is missing, or no trace of its kind.
        UsageError: two files are one recording.
    """
    for path in (*map(Path, torch), *(_with_start(text)[0] for text in ort)):
        refuse_export(path)
    traces = [read_kineto(TraceFile.at(Path(path))) for path in torch]
    traces += [trace for path in nsys for trace in read_nsight(path)]
    refuse_repeated(traces)
    profiles = [(read_ort_profile(TraceFile.at(path)), start) for path, start in map(_with_start, ort)]
    return [_decoded(*group) for group in _by_process(profiles, traces)]


def _by_process(
    profiles: Sequence[_Stated], traces: Sequence[DeviceTrace]
) -> list[tuple[list[_Stated], list[DeviceTrace]]]:
    """Together what is of one process. A single process takes all: ids differ between a container and its host."""
    of_traces = dict.fromkeys(trace.process for trace in traces)
    if len(of_traces) < 2:
        return [([*profiles], [*traces])]
    groups = {
        process: (
            [one for one in profiles if _process(one[0]) == process],
            [trace for trace in traces if trace.process == process],
        )
        for process in of_traces
    }
    for one in profiles:
        if _process(one[0]) not in of_traces:
            groups.setdefault(_process(one[0]), ([], []))[0].append(one)
    return list(groups.values())


def _process(profile: OrtProfile) -> int:
    return profile.places[0][0] if profile.places else NONE


def _decoded(profiles: Sequence[_Stated], traces: Sequence[DeviceTrace]) -> Decoded:
    launches = kernel_launches(traces)
    first_ns = min((int(trace.start_ns.min()) for trace in traces if len(trace)), default=0)
    fallback = next_free_ns([profile for profile, _ in profiles], first_ns)
    placed: list[tuple[OrtProfile, Place]] = [
        (
            profile,
            place_by_fit(profile, launches, otherwise) if start is None else place_at_epoch(profile, start, launches),
        )
        for (profile, start), otherwise in zip(profiles, fallback, strict=True)
    ]
    placed.sort(key=lambda one: one[1].offset_ns)
    return Decoded(
        profiles=[(profile, session, place) for session, (profile, place) in enumerate(placed)],
        traces=traces,
        sessions_of=sessions_of_profiles,
        capture=Capture(versions=trace_versions(traces), devices=_devices(traces)),
    )


def _with_start(text: str) -> tuple[Path, int | None]:
    path, _, start = text.rpartition("@")
    stated = bool(path) and start.isdecimal() and len(start) <= _LONGEST_START
    return (Path(path), int(start)) if stated else (Path(text), None)


def _devices(traces: Sequence[DeviceTrace]) -> tuple[str, ...]:
    return next((trace.devices for trace in traces if trace.devices), ())
