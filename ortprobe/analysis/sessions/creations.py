"""What making each session took, divided: first by phase, then by what its thread did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from ortprobe.analysis.busy import covered_ns
from ortprobe.analysis.coverage import watched_windows
from ortprobe.analysis.sessions.host_parts import HOST_CODE, PARTS, HostPart, Stretches, host_pieces
from ortprobe.analysis.waits.wait_times import WAITING_CALLS, Wait, WaitTimes
from ortprobe.timeline import NONE, Creation, Int32s, Int64s, Kind, Session, Timeline, WaitKind
from ortprobe.timeline.cuda_calls import base_name
from ortprobe.timeline.groups import rows_by_value


class Phase(StrEnum):
    """What followed what in the call that made the session, by the two spans of ORT's profile."""

    BEFORE = "before"
    """Call → loading: Python, checking providers, opening the profile."""
    LOAD = "load"
    """Reading and parsing the model (`model_loading_*`)."""
    PROVIDERS = "providers"
    """Loading → initialising: setting up the execution providers. The CUDA provider's libraries are loaded here the
    first time, and its constructor calls `cudaDeviceSynchronize` (onnxruntime 1.31.1)."""
    INITIALIZE = "initialize"
    """`session_initialization`: optimising, partitioning, creating kernels and handles, uploading weights."""
    AFTER = "after"
    """Initialised → return."""


PHASES = tuple(Phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    """One phase. `unwatched_ns` and `parts_ns` sum to `length_ns` exactly."""

    length_ns: int
    unwatched_ns: int
    """How much of it no torch trace covers: what the thread did then is not known."""
    parts_ns: Mapping[HostPart, int]
    """What the thread did, the dearest first. `OUTSIDE` is host code in no CUDA call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Copies from the host to the device while the session was made: its weights, and a few constants."""

    copies: int
    call_ns: int
    """Time in the calls that copy."""
    device_ns: int
    """Summed time of the copies on the device."""
    pageable_bytes: int
    pinned_bytes: int
    unknown_bytes: int
    """Of copies whose record does not say from what kind of memory."""

    @property
    def size_bytes(self) -> int:
        """All that was copied."""
        return self.pageable_bytes + self.pinned_bytes + self.unknown_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDrain:
    """Calls that wait for the whole device."""

    calls: int
    call_ns: int
    stall_ns: int | None
    """How long they waited for work of others; None when the trace does not tell for one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreationCost:
    """How the time of making one session divides. The phases sum to `creation_ns` exactly."""

    session: int
    creation_ns: int
    phases: Mapping[Phase, PhaseTime] | None
    """In order, each there is evidence of; None without ORT's profile of the session, or without its two spans."""
    whole: PhaseTime
    """All phases together, or the call where they are not known."""
    upload: Upload | None
    """None unless a torch trace watched all of the initialising (of the call, where its phases are unknown)."""
    drain: DeviceDrain | None
    """None where none was seen, and no torch trace watched all of the set-up of the providers (of the call)."""


def compute_creations(timeline: Timeline, waits: WaitTimes) -> tuple[CreationCost | None, ...]:
    """The cost of making each session, in order; None for one whose making nobody saw."""
    profiled = _profiled_spans(timeline)
    lanes = _lanes(timeline, profiled)
    bounds = [_bounds(timeline, session, profiled) for session in timeline.sessions]
    stretches = [(index, *bound) for index, phases in enumerate(bounds) for bound in phases.values()]
    times = iter(_phase_times(timeline, stretches, lanes))
    uploads = _Uploads.of(timeline)
    found: list[CreationCost | None] = []
    for session, phases, lane in zip(timeline.sessions, bounds, lanes, strict=True):
        mine = {phase: next(times) for phase in phases}
        found.append(_cost(timeline, waits, uploads, session, mine, lane) if mine else None)
    return tuple(found)


_Profiled = Mapping[tuple[int, Kind], int]
"""Source and kind → the first span of loading or initialising there."""
_Bounds = dict[Phase | None, tuple[int, int]]
"""Phase → start and end; the key None stands for a call whose phases are not known."""


def _profiled_spans(timeline: Timeline) -> _Profiled:
    spans = timeline.spans
    found: dict[tuple[int, Kind], int] = {}
    for span in spans.of_kind(Kind.ORT_LOAD, Kind.ORT_INITIALIZE).tolist():
        found.setdefault((int(spans.source[span]), Kind(int(spans.kind[span]))), span)
    return found


def _keys(session: Session) -> tuple[tuple[int, Kind], ...]:
    source = NONE if session.profile is None else session.profile
    return (source, Kind.ORT_LOAD), (source, Kind.ORT_INITIALIZE)


def _bounds(timeline: Timeline, session: Session, profiled: _Profiled) -> _Bounds:
    """Nothing for a session whose making nobody saw."""
    found = [profiled[key] for key in _keys(session) if key in profiled]
    hooked = session.creation is not Creation.UNKNOWN
    if len(found) < 2:
        return {None: (session.start_ns, session.end_ns)} if hooked or found else {}
    spans = timeline.spans
    at_ns = [int(times[span]) for span in found for times in (spans.start_ns, spans.end_ns)]
    inner_ns = np.clip(np.maximum.accumulate(at_ns), session.start_ns, session.end_ns).tolist()
    borders_ns = [session.start_ns, *inner_ns, session.end_ns]
    phases: _Bounds = dict(zip(PHASES, pairwise(borders_ns), strict=True))
    return phases if hooked else {phase: phases[phase] for phase in (Phase.LOAD, Phase.PROVIDERS, Phase.INITIALIZE)}


def _lanes(timeline: Timeline, profiled: _Profiled) -> list[int]:
    """The thread that made each session: that of the hooked call, or of its loading and initialising."""
    spans, hooks = timeline.spans, timeline.hooks
    lanes = [
        next((int(spans.lane[profiled[key]]) for key in _keys(session) if key in profiled), NONE)
        for session in timeline.sessions
    ]
    wanted = [number for number, name in enumerate(timeline.names) if name == "InferenceSession"]
    for row in np.flatnonzero(np.isin(hooks.what, wanted) & (hooks.session != NONE)).tolist():
        lanes[int(hooks.session[row])] = int(spans.lane[hooks.span[row]])
    return lanes


def _phase_times(
    timeline: Timeline, stretches: Sequence[tuple[int, int, int]], lanes: Sequence[int]
) -> list[PhaseTime]:
    session = np.array([each[0] for each in stretches], np.int64)
    start_ns = np.array([each[1] for each in stretches], np.int64)
    end_ns = np.array([each[2] for each in stretches], np.int64)
    lane = np.array(lanes, np.int32)[session]
    sums = host_pieces(timeline, Stretches(lane=lane, start_ns=start_ns, end_ns=end_ns)).by_part(len(stretches))
    watched_ns = np.zeros(len(stretches), np.int64)
    processes = np.array([each.process for each in timeline.sessions], np.int64)
    for process, rows in rows_by_value(processes[session]):
        watched_ns[rows] = covered_ns(watched_windows(timeline, process), (start_ns[rows], end_ns[rows]))
    unwatched_ns = end_ns - start_ns - watched_ns
    host = [PARTS.index(part) for part in HOST_CODE]
    outside_ns = sums[:, host].sum(axis=1) - unwatched_ns
    sums[:, host] = 0
    sums[:, PARTS.index(HostPart.OUTSIDE)] = outside_ns
    return [
        PhaseTime(length_ns=end - start, unwatched_ns=unwatched, parts_ns=_by_part(row))
        for start, end, unwatched, row in zip(
            start_ns.tolist(), end_ns.tolist(), unwatched_ns.tolist(), sums, strict=True
        )
    ]


def _by_part(sums: Int64s) -> dict[HostPart, int]:
    return {PARTS[row]: int(sums[row]) for row in np.argsort(-sums, kind="stable").tolist() if sums[row]}


def _cost(
    timeline: Timeline, waits: WaitTimes, uploads: _Uploads, session: Session,
    times: Mapping[Phase | None, PhaseTime], lane: int,
) -> CreationCost:  # fmt: skip
    phases = {phase: time for phase, time in times.items() if phase is not None}
    unknown = times.get(None)
    uploading = unknown or phases[Phase.INITIALIZE]
    draining = unknown or phases[Phase.PROVIDERS]
    drain = _drain(timeline, waits, session, lane)
    return CreationCost(
        session=session.index,
        creation_ns=session.end_ns - session.start_ns,
        phases=phases or None,
        whole=unknown or _together(list(phases.values())),
        upload=None if uploading.unwatched_ns else uploads.during(session, lane),
        drain=drain if drain.calls or not draining.unwatched_ns else None,
    )


def _together(times: Sequence[PhaseTime]) -> PhaseTime:
    sums = np.array([sum(time.parts_ns.get(part, 0) for time in times) for part in PARTS], np.int64)
    return PhaseTime(
        length_ns=sum(time.length_ns for time in times),
        unwatched_ns=sum(time.unwatched_ns for time in times),
        parts_ns=_by_part(sums),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Uploads:
    """All copies from the host to the device, by the start of the call that made them. Columns of equal length."""

    timeline: Timeline
    copy: Int32s
    call: Int32s
    start_ns: Int64s
    size_bytes: Int64s

    @staticmethod
    def of(timeline: Timeline) -> _Uploads:
        spans, ops = timeline.spans, timeline.device_ops
        upward = np.array(["HtoD" in name for name in timeline.names] or [False], np.bool_)
        is_upload = (spans.kind[ops.span] == Kind.MEMCPY) & upward[spans.name[ops.span]]
        rows = np.flatnonzero(is_upload & (timeline.links.launch[ops.span] != NONE))
        call = timeline.links.launch[ops.span[rows]]
        order = np.argsort(spans.start_ns[call], kind="stable")
        return _Uploads(
            timeline=timeline,
            copy=ops.span[rows[order]],
            call=call[order],
            start_ns=spans.start_ns[call[order]],
            size_bytes=np.maximum(ops.size_bytes[rows[order]], 0),
        )

    def during(self, session: Session, lane: int) -> Upload:
        spans = self.timeline.spans
        first, last = np.searchsorted(self.start_ns, (session.start_ns, session.end_ns))
        own = first + np.flatnonzero(spans.lane[self.call[first:last]] == lane)
        copies, size_bytes = self.copy[own], self.size_bytes[own]
        names = [self.timeline.name_of(span) for span in copies.tolist()]
        pageable, pinned = (np.array([memory in name for name in names], np.bool_) for memory in ("Pageable", "Pinned"))
        return Upload(
            copies=len(copies),
            call_ns=int(spans.duration_ns[np.unique(self.call[own])].sum()),
            device_ns=int(spans.duration_ns[copies].sum()),
            pageable_bytes=int(size_bytes[pageable].sum()),
            pinned_bytes=int(size_bytes[pinned].sum()),
            unknown_bytes=int(size_bytes[~pageable & ~pinned].sum()),
        )


def _drain(timeline: Timeline, waits: WaitTimes, session: Session, lane: int) -> DeviceDrain:
    during = range(*np.searchsorted(waits.start_ns, (session.start_ns, session.end_ns)).tolist())
    own = [wait for wait in map(waits.wait, during) if _drains(timeline, wait, lane)]
    stalls = [wait.stall_ns for wait in own]
    return DeviceDrain(
        calls=len(own),
        call_ns=sum(wait.end_ns - wait.start_ns for wait in own),
        stall_ns=None if None in stalls else sum(stall for stall in stalls if stall is not None),
    )


def _drains(timeline: Timeline, wait: Wait, lane: int) -> bool:
    of_device = WAITING_CALLS.get(base_name(wait.name)) is WaitKind.DEVICE_SYNC
    return of_device and wait.call != NONE and int(timeline.spans.lane[wait.call]) == lane
