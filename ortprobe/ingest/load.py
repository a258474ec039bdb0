"""Loading: bundles, an export, or bare files that somebody recorded without ortprobe, as one Timeline."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ortprobe.bundle import Bundle, read_bundle
from ortprobe.errors import UsageError
from ortprobe.ingest.assemble import assemble
from ortprobe.ingest.bare import decode_files
from ortprobe.ingest.bundled import decode_bundle
from ortprobe.ingest.exported import read_export
from ortprobe.ingest.models.attach import models_of_sessions, read_models, recorded_models, with_models
from ortprobe.ingest.sources.device_trace import DeviceTrace, refuse_repeated
from ortprobe.ingest.sources.nsight.recording import read_nsight
from ortprobe.timeline import ModelGraph, Problem, ProblemKind, Timeline
from ortprobe.units import format_ns

_SAME_CLOCK_NS = 1_000_000
"""What adjusting the clock may move it by between the starts of two processes."""


def load_bundle(path: Path, models: Sequence[Path | str] = (), nsys: Sequence[Path] = ()) -> Timeline:
    """The Timeline of a bundle, a folder or packed, or of a trace for Perfetto or in Chrome's JSON that ortprobe wrote
    of one. Traces of a bundle that are missing or damaged become problems of the Timeline.

    Model files that the program loaded are read where they still lie unchanged; `models` are others. `nsys` are exports
    of Nsight Systems that were made of the same processes at the same time.

    Raises:
        UnreadableInput: there is no bundle, its packed file is damaged, or one of `models` is no model.
        UsageError: one of `models` is of no session, one of `nsys` of none of the processes, given twice, or given with
            an export.
    """
    return load_bundles([path], models, nsys)


def load_bundles(
    paths: Sequence[Path], models: Sequence[Path | str] = (), nsys: Sequence[Path] = ()
) -> Timeline:  # fmt: skip
    """One Timeline of several processes of one machine, each captured in a bundle of its own; raises as `load_bundle`
    does, and UsageError without any bundle, and for an export beside others."""
    if not paths:
        raise UsageError("nothing to report: give a bundle")
    given = read_models(models)
    for path in paths:
        exported = read_export(path)
        if exported is not None:
            _refuse_beside(path, paths, nsys)
            return _with_more_models(exported, given)
    with _collector_paused():
        bundles = [read_bundle(path) for path in paths]
        traces, others = _of_processes(nsys, {bundle.manifest.process for bundle in bundles})
        decoded = [decode_bundle(bundle, traces.get(bundle.manifest.process, ())) for bundle in bundles]
        timeline = assemble(decoded, [*_clocks_apart(bundles), *map(_of_another, others)])
    stated = [model for bundle in bundles for model in bundle.manifest.models]
    recorded, of_session = recorded_models(stated, timeline.sessions)
    return with_models(timeline, [*recorded, *given], of_session)


def load_files(
    ort: Sequence[Path | str] = (),
    torch: Sequence[Path | str] = (),
    models: Sequence[Path | str] = (),
    nsys: Sequence[Path] = (),
) -> Timeline:
    """The Timeline of bare ORT profiles, torch traces and exports of Nsight Systems, and of the models that ran; those
    of several processes are told apart by process id.

    An ORT profile may be given as `FILE@START_NS`, with what `get_profiling_start_time_ns()` said; otherwise its place
    is found by fitting kernel launches into its nodes.

    Raises:
        UnreadableInput: a file is missing, or no trace or model.
        UsageError: no file at all, one given twice, or a model of no session.
    """
    if not ort and not torch and not nsys:
        raise UsageError("nothing to report: give a bundle, or --ort, --torch and --nsys files")
    given = read_models(models)
    with _collector_paused():
        timeline = assemble(decode_files([str(path) for path in ort], [str(path) for path in torch], nsys))
    return with_models(timeline, given)


def _with_more_models(timeline: Timeline, given: Sequence[ModelGraph]) -> Timeline:
    if not given:
        return timeline
    return with_models(timeline, [*timeline.models, *given], models_of_sessions(timeline))


def _refuse_beside(export: Path, paths: Sequence[Path], nsys: Sequence[Path]) -> None:
    if len(paths) > 1:
        raise UsageError(f"{export}: is a Timeline of its own, and can't be put on one with others; give their bundles")
    if nsys:
        raise UsageError(f"{nsys[0]}: can't be added to an export; give it with the bundle that {export} was made of")


def _of_processes(
    nsys: Sequence[Path], processes: Collection[int]
) -> tuple[dict[int, list[DeviceTrace]], list[DeviceTrace]]:
    """The exports' traces of these processes, by process; and those of others that worked on a GPU."""
    found: dict[int, list[DeviceTrace]] = {}
    left: list[DeviceTrace] = []
    for path in nsys:
        traces = read_nsight(path)
        own = [trace for trace in traces if trace.process in processes]
        if not own:
            others = ", ".join(str(trace.process) for trace in traces)
            wanted = ", ".join(map(str, processes))
            raise UsageError(f"{path}: is of another run: of process {others}, and the bundle of process {wanted}")
        for trace in own:
            found.setdefault(trace.process, []).append(trace)
        left += [trace for trace in traces if trace.process not in processes and trace.devices_with_work]
    refuse_repeated([*left, *(trace for own in found.values() for trace in own)])
    return found, left


def _of_another(trace: DeviceTrace) -> Problem:
    """What idle time does not know of."""
    count = len(trace.device_ops["index"])
    detail = (
        f"{trace.path}: process {trace.process}, whose bundle is not given, launched {count:,} pieces of GPU work as "
    )
    detail += "well: what is idle here can be busy with them"
    return Problem(kind=ProblemKind.NOT_CAPTURED, detail=detail, count=count)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Decoded events hold no cycles, and looking for some among them takes a tenth of the time that reading does."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _clocks_apart(bundles: Sequence[Bundle]) -> list[Problem]:
    """Linux counts monotonic time since the machine started, so a machine has one distance of it to the wall clock."""
    started_ns = [bundle.manifest.clock.realtime_ns - bundle.manifest.clock.monotonic_ns for bundle in bundles]
    return [
        Problem(
            kind=ProblemKind.CLOCK_DOUBT,
            detail=f"{bundle.files.path.name} and {bundles[0].files.path.name} don't share a clock: they are of two "
            f"machines, or it was stepped between their starts (by {format_ns(abs(at_ns - started_ns[0]))})",
        )
        for bundle, at_ns in zip(bundles[1:], started_ns[1:], strict=True)
        if abs(at_ns - started_ns[0]) > _SAME_CLOCK_NS
    ]
