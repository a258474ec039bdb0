"""The hook log of a history: its records, each with what it is a record of."""

from __future__ import annotations

from collections.abc import Iterator

from traces.history import History, RunMade
from traces.origin import Origin, What
from traces.program import StreamKind
from traces.recording import Recording, profile_interval

from ortprobe.bundle import (
    ATTACHED_ORT_PROFILE,
    ATTACHED_TORCH_PROFILER,
    AnyRecord,
    Call,
    SessionCreated,
    Stream,
    Thread,
)

_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
Sourced = tuple[AnyRecord, Origin | None]


def hook_records(history: History, recording: Recording) -> list[Sourced]:
    """Threads and streams, then sessions and runs in the order in which they ended."""
    found: list[Sourced] = [(record, None) for record in _named(history)]
    ended = [
        *((made.end_ns, *one) for made, one in zip(history.sessions, _sessions(history, recording), strict=True)),
        *((made.end_ns, *one) for made, one in zip(history.runs, _runs(history, recording), strict=True)),
    ]
    ended.sort(key=lambda one: one[0])
    return found + [(record, origin) for _, record, origin in ended]


def _named(history: History) -> Iterator[AnyRecord]:
    for number, thread in enumerate(history.threads):
        yield Thread(native_id=thread.native_id, ident_low32=thread.ident_low32, name=f"worker-{number}")
    for stream in history.program.streams:
        blocking = stream.kind is not StreamKind.NON_BLOCKING
        yield Stream(handle=stream.handle, device=stream.device, trace_id=stream.trace_id, blocking=blocking)


def _sessions(history: History, recording: Recording) -> Iterator[Sourced]:
    for number, made in enumerate(history.sessions):
        is_profiled = history.program.owners[made.owner].is_profiled
        stated_ns = recording.epoch_ns + made.profiling_start_ns + recording.stated_error_ns
        created = SessionCreated(
            session=number,
            owner=made.owner,
            reason="constructor" if made.replaces < 0 else "set_providers",
            replaces=made.replaces,
            start_ns=recording.epoch_ns + made.start_ns,
            end_ns=recording.epoch_ns + made.end_ns,
            thread=history.threads[made.thread].native_id,
            providers=_PROVIDERS,
            profile_start_ns=stated_ns if is_profiled else 0,
        )
        yield created, Origin(What.SESSION, number)


def _runs(history: History, recording: Recording) -> Iterator[Sourced]:
    for number, run in enumerate(history.runs):
        call = Call(
            what="run_with_iobinding",
            start_ns=recording.epoch_ns + run.start_ns,
            end_ns=recording.epoch_ns + run.end_ns,
            thread=history.threads[run.thread].native_id,
            session=run.session,
            run=number,
            attached=attached_bits(history, recording, run),
        )
        yield call, Origin(What.RUN, number)


def attached_bits(history: History, recording: Recording, run: RunMade) -> int:
    """What the hooks note as attached when a run begins."""
    interval = profile_interval(history, run.session)
    is_profiled = interval is not None and run.start_ns < interval[1]
    is_watched = any(start <= run.start_ns < end for start, end in recording.windows)
    return (ATTACHED_ORT_PROFILE if is_profiled else 0) | (ATTACHED_TORCH_PROFILER if is_watched else 0)
