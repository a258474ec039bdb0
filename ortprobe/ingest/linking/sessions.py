"""Which C sessions there were, and which replaced which: stated by the hook log, or inferred from the profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ortprobe.bundle import AnyRecord, SessionCreated, SessionReleased
from ortprobe.ingest.sources.hook_log import session_numbers
from ortprobe.ingest.sources.ort_profile import OrtProfile
from ortprobe.timeline import Creation, Kind, Session, parse_site

_SAME_MODEL_SHARE = 0.5
"""Two profiles with at least this share of node names in common are of one model; other providers fuse other nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedProfile:
    """A profile on the common clock, and the session it belongs to."""

    profile: OrtProfile
    session: int
    offset_ns: int
    source: int


def sessions_of_log(records: Sequence[AnyRecord], placed: Sequence[PlacedProfile]) -> tuple[Session, ...]:
    """Sessions as the hooks saw them, in the order of their serial numbers."""
    numbers = session_numbers(records)
    created = {numbers[record.session]: record for record in records if isinstance(record, SessionCreated)}
    released_ns = {record.session: record.at_ns for record in records if isinstance(record, SessionReleased)}
    by_session = {one.session: one for one in placed}
    return tuple(
        replace(
            _with_profile(_stated(index, created[index], numbers), by_session.get(index)),
            released_ns=released_ns.get(created[index].session),
        )
        for index in sorted(created)
    )


def sessions_of_profiles(placed: Sequence[PlacedProfile]) -> tuple[Session, ...]:
    """Sessions of bare profiles. One that starts after another's last run, in the same process and with the same
    nodes, is taken for its replacement, and says that it is inferred."""
    sessions: list[Session] = []
    for index, one in enumerate(placed):
        bare = Session(index=index, creation=Creation.UNKNOWN, start_ns=one.offset_ns, end_ns=one.offset_ns)
        session = _with_profile(bare, one)
        replaced = _replaced_by(one, placed[:index])
        sessions.append(replace(session, replaces=replaced, replaces_is_inferred=replaced is not None))
    return tuple(sessions)


def _stated(index: int, record: SessionCreated, numbers: Mapping[int, int]) -> Session:
    known = record.reason in {creation.value for creation in Creation}
    replaced = numbers.get(record.replaces)
    return Session(
        index=index,
        creation=Creation(record.reason) if known else Creation.UNKNOWN,
        start_ns=record.start_ns,
        end_ns=record.end_ns,
        replaces=replaced if replaced is not None and replaced < index else None,
        model=record.model_path or (f"{record.model_bytes:,} bytes in memory" if record.model_bytes else ""),
        site=parse_site(record.site),
        requested_providers=record.requested_providers,
        requested_options=record.requested_options,
        providers=record.providers,
        provider_options=record.provider_options,
        previous_provider_options=record.previous_provider_options,
        session_options=record.session_options,
        inputs=record.inputs,
        outputs=record.outputs,
        input_types=record.input_types,
        output_types=record.output_types,
        error=record.error,
    )


def _with_profile(session: Session, placed: PlacedProfile | None) -> Session:
    if placed is None:
        return session
    load = _first(placed, Kind.ORT_LOAD)
    initialize = _first(placed, Kind.ORT_INITIALIZE)
    known = [span for span in (load, initialize) if span is not None]
    unseen = session.creation == Creation.UNKNOWN and known
    return replace(
        session,
        profile=placed.source,
        load_ns=load[1] - load[0] if load else None,
        initialize_ns=initialize[1] - initialize[0] if initialize else None,
        start_ns=min(start for start, _ in known) if unseen else session.start_ns,
        end_ns=max(end for _, end in known) if unseen else session.end_ns,
    )


def _first(placed: PlacedProfile, kind: Kind) -> tuple[int, int] | None:
    profile = placed.profile
    rows = np.flatnonzero(profile.kinds == kind)
    if not len(rows):
        return None
    return int(profile.start_ns[rows[0]]) + placed.offset_ns, int(profile.end_ns[rows[0]]) + placed.offset_ns


def _replaced_by(one: PlacedProfile, earlier: Sequence[PlacedProfile]) -> int | None:
    names = one.profile.node_names
    for other in reversed(earlier):
        other_names = other.profile.node_names
        same_process = {process for process, _ in one.profile.places} & {pid for pid, _ in other.profile.places}
        in_common = len(names & other_names) / max(len(names | other_names), 1)
        ended_ns = int(other.profile.end_ns.max(initial=0)) + other.offset_ns
        if same_process and in_common >= _SAME_MODEL_SHARE and ended_ns <= one.offset_ns:
            return other.session
    return None
