"""Loading: bundles, or bare files that somebody recorded without ortprobe, as one Timeline."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ortprobe.bundle import Bundle, read_bundle
from ortprobe.errors import UsageError
from ortprobe.ingest.assemble import assemble
from ortprobe.ingest.bare import decode_files
from ortprobe.ingest.bundled import decode_bundle
from ortprobe.ingest.models.attach import read_models, recorded_models, with_models
from ortprobe.timeline import Problem, ProblemKind, Timeline
from ortprobe.units import format_ns

_SAME_CLOCK_NS = 1_000_000
"""What adjusting the clock may move it by between the starts of two processes."""


def load_bundle(path: Path, models: Sequence[Path | str] = ()) -> Timeline:
    """The Timeline of a bundle, a folder or packed. Traces that are missing or damaged become problems of the Timeline.

    Model files that the program loaded are read where they still lie unchanged; `models` are others.

    Raises:
        UnreadableInput: there is no bundle, its packed file is damaged, or one of `models` is no model.
        UsageError: one of `models` is of no session.
    """
    return load_bundles([path], models)


def load_bundles(paths: Sequence[Path], models: Sequence[Path | str] = ()) -> Timeline:
    """One Timeline of several processes of one machine, each captured in a bundle of its own; raises as `load_bundle`
    does, and UsageError without any bundle."""
    if not paths:
        raise UsageError("nothing to report: give a bundle")
    given = read_models(models)
    with _collector_paused():
        bundles = [read_bundle(path) for path in paths]
        timeline = assemble([decode_bundle(bundle) for bundle in bundles], _clocks_apart(bundles))
    stated = [model for bundle in bundles for model in bundle.manifest.models]
    recorded, of_session = recorded_models(stated, timeline.sessions)
    return with_models(timeline, [*recorded, *given], of_session)


def load_files(
    ort: Sequence[Path | str] = (), torch: Sequence[Path | str] = (), models: Sequence[Path | str] = ()
) -> Timeline:
    """The Timeline of bare ORT profiles and torch traces, and of the models that ran; those of several processes are
    told apart by process id.

    An ORT profile may be given as `FILE@START_NS`, with what `get_profiling_start_time_ns()` said; otherwise its place
    is found by fitting kernel launches into its nodes.

    Raises:
        UnreadableInput: a file is missing, or no trace or model.
        UsageError: no file at all, or a model of no session.
    """
    if not ort and not torch:
        raise UsageError("nothing to report: give a bundle, or --ort and --torch files")
    given = read_models(models)
    with _collector_paused():
        timeline = assemble(decode_files([str(path) for path in ort], [str(path) for path in torch]))
    return with_models(timeline, given)


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
