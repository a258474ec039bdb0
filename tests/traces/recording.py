"""What of a history was recorded, what was lost, and how the files are laid out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from traces.history import History, Interval
from traces.kineto_rows import TraceLayout
from traces.ort_rows import ProfileLayout


class ThreadIds(Enum):
    """How a torch trace names a thread that torch does not know: by the low 32 bits of its pthread id, as …"""

    ABSOLUTE = "absolute"
    """… the absolute value of a signed number: torch 2.6 and later."""
    SIGNED = "signed"
    """… a signed number: torch 2.5 and earlier."""
    NATIVE = "native"
    """All threads under the ids of the OS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What the recording lacks. Numbers of things are taken modulo how many there are."""

    head: int = 0
    """The first works of each window (pytorch issue 192021)."""
    tail: int = 0
    """The last works of each window, when CUPTI's buffers are full."""
    calls: tuple[int, ...] = ()
    works: tuple[int, ...] = ()
    waits: tuple[int, ...] = ()
    """Records of stream waits."""
    resolves_waits: bool = True
    """False: no wait says what it waits for (CUPTI 12.9 and later without activity kind 36)."""
    profile_events: int = 0
    """Dropped at the cap of each ORT profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    windows: tuple[Interval, ...]
    """When torch's profiler was attached."""
    epoch_ns: int = 1_795_000_000_000_000_000
    """Unix time at the history's 0."""
    process: int = 4242
    stated_error_ns: int = 0
    """What has to be added to the true start of ORT's profiling to get the stated one."""
    thread_ids: ThreadIds = ThreadIds.ABSOLUTE
    sees_ops_of_all_threads: bool = True
    """False: torch's profiler records the ops of the thread alone that started it."""
    losses: Losses = field(default_factory=Losses)
    trace: TraceLayout = field(default_factory=TraceLayout)
    """Its base is replaced by `base_before_ns` before each window."""
    base_before_ns: int = 1_000_000
    profile: ProfileLayout = field(default_factory=ProfileLayout)
    has_flows: bool = False
    has_metadata: bool = False
    has_event_rows: bool = True
    has_sync_rows: bool = True
    """False: torch's profiler was not told to record synchronisation."""
    sync_tid_offset: int = 0
    """1,000,000 in torch 2.13 and later, for waits for a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What one torch trace holds: positions in the lists of the history."""

    window: Interval
    calls: frozenset[int]
    works: frozenset[int]
    ops: frozenset[int]
    stream_waits: frozenset[int]
    host_waits: frozenset[int]
    records: frozenset[int]
    known_threads: frozenset[int]
    """Those that the trace names by the OS's id."""

    def event_rows(self, recording: Recording) -> frozenset[int]:
        """The records of events that have a row: they come from the same activity kind that resolves waits."""
        written = recording.has_event_rows and recording.has_sync_rows and recording.losses.resolves_waits
        return self.records if written else frozenset()

    def resolves(self, record: int, recording: Recording) -> bool:
        """Whether waits for this record of an event say so."""
        return record in self.records and recording.losses.resolves_waits


def record(history: History, recording: Recording) -> tuple[Recorded, ...]:
    """What each window recorded: calls that lie inside of it, and the device work that they launched inside of it."""
    return tuple(_record_window(history, recording, window) for window in recording.windows)


def _record_window(history: History, recording: Recording, window: Interval) -> Recorded:
    losses = recording.losses
    calls = {number for number, call in enumerate(history.calls) if _inside(window, call.start_ns, call.end_ns)}
    entered = {number for number, call in enumerate(history.calls) if window[0] <= call.start_ns < window[1]}
    works = [
        number
        for number, work in enumerate(history.works)
        if work.call in entered and _inside(window, work.start_ns, work.end_ns)
    ]
    works.sort(key=lambda number: history.works[number].start_ns)
    works = works[losses.head : len(works) - losses.tail]
    lost_works = {lost % len(history.works) for lost in losses.works if history.works}
    lost_calls = {lost % len(history.calls) for lost in losses.calls if history.calls}
    kept_works = frozenset(works) - lost_works
    ops = frozenset(
        number
        for number, op in enumerate(history.ops)
        if _inside(window, op.start_ns, op.end_ns) and (recording.sees_ops_of_all_threads or op.thread == 0)
    )
    every = recording.thread_ids is ThreadIds.NATIVE
    return Recorded(
        window=window,
        calls=frozenset(number for number in calls - lost_calls if history.calls[number].is_written),
        works=kept_works,
        ops=ops,
        stream_waits=_stream_waits(history, losses, calls, kept_works) if recording.has_sync_rows else frozenset(),
        host_waits=frozenset(
            number for number, one in enumerate(history.host_waits) if one.call in calls and recording.has_sync_rows
        ),
        records=frozenset(number for number, one in enumerate(history.records) if one.call in calls),
        known_threads=frozenset(
            number for number in range(len(history.threads)) if every or number == 0 or _has_op(history, ops, number)
        ),
    )


def _stream_waits(
    history: History, losses: Losses, calls: set[int], works: frozenset[int]
) -> frozenset[int]:  # fmt: skip
    """Kineto drops those of streams without work in the window (its `logDeferredEvents`)."""
    lost = {number % len(history.stream_waits) for number in losses.waits if history.stream_waits}
    at_work = {history.works[number].stream for number in works}
    return frozenset(
        number
        for number, wait in enumerate(history.stream_waits)
        if wait.call in calls and wait.stream in at_work and number not in lost
    )


def _has_op(history: History, ops: frozenset[int], thread: int) -> bool:
    return any(history.ops[number].thread == thread for number in ops)


def _inside(window: Interval, start_ns: int, end_ns: int) -> bool:
    return window[0] <= start_ns and end_ns <= window[1]


def trace_thread(history: History, recording: Recording, recorded: Recorded, thread: int) -> int:
    """The tid under which a torch trace has a thread."""
    if thread in recorded.known_threads:
        return history.threads[thread].native_id
    low32 = history.threads[thread].ident_low32
    signed = low32 - (1 << 32) if low32 >= 1 << 31 else low32
    return signed if recording.thread_ids is ThreadIds.SIGNED else abs(signed)


def profile_interval(history: History, session: int) -> Interval | None:
    """When ORT profiled a session; None when it did not."""
    made = history.sessions[session]
    if not history.program.owners[made.owner].is_profiled:
        return None
    return made.profiling_start_ns, history.profiling_end_ns.get(session, history.end_ns)
