"""Sessions that the program still held when it had no more use for them, and the memory in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.sessions.creations import CreationCost
from ortprobe.timeline import NONE, Session, Timeline
from ortprobe.timeline.groups import sum_by_group


class HeldBy(StrEnum):
    """Why a C session outlived its use."""

    PROGRAM = "program"
    """The program kept the InferenceSession, made another session, and did not run this one any more."""
    BINDING = "binding"
    """It was replaced, and an IOBinding made for it was used afterwards: that keeps the C session alive."""
    PERHAPS_BINDING = "perhaps-binding"
    """It was replaced, and an IOBinding had been made for it. Nobody saw whether that went away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a session holds, as far as the capture shows. None is not known."""

    weight_bytes: int | None
    """What was uploaded while it was made; without a trace of that, the initialisers of its model file."""
    arena_bytes: int | None
    """By how much ORT's memory arenas grew in those of its runs that ORT's profile saw (ORT 1.28 and later)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleSession:
    """A C session that was held without being used."""

    session: int
    held_by: HeldBy
    since_ns: int
    """When it was replaced; else the end of its last run, or of its making when it never ran."""
    until_ns: int | None
    """When the program let go of it, or when the capture or the last use of its binding ended: until then it was held
    for certain. None where it is not certain that it was held at all."""
    memory: Memory

    @property
    def held_ns(self) -> int | None:
        """How long it was held for certain."""
        return None if self.until_ns is None else self.until_ns - self.since_ns


BINDING_HOLDS = (1, 30)
"""From this version of ORT on an IOBinding keeps the C session that it was made for alive; before, it
was left with a dangling reference (measured on onnxruntime 1.20.1 to 1.31.1)."""


def compute_memory(timeline: Timeline, creations: Sequence[CreationCost | None]) -> tuple[Memory, ...]:
    """What each session holds, in order."""
    executed, session_of = timeline.node_spans, timeline.nodes.session
    grown = sum_by_group(session_of[executed.node], executed.arena_growth_bytes, len(timeline.sessions) + 1)
    seen = np.zeros(len(timeline.sessions) + 1, np.bool_)
    seen[session_of[executed.node]] = executed.arena_growth_bytes.any()
    return tuple(
        Memory(
            weight_bytes=_weight_bytes(timeline, index, creation),
            arena_bytes=int(grown[index]) if seen[index] else None,
        )
        for index, creation in enumerate(creations)
    )


def _weight_bytes(timeline: Timeline, session: int, creation: CreationCost | None) -> int | None:
    if creation is not None and creation.upload is not None and creation.upload.copies:
        return creation.upload.size_bytes
    if not len(timeline.model_links):
        return None
    own = timeline.model_links.model[timeline.nodes.session == session]
    if not len(own) or own[0] == NONE:
        return None
    size_bytes = timeline.models[int(own[0])].initializers.size_bytes
    return None if (size_bytes == NONE).any() else int(size_bytes.sum())


def compute_stale(timeline: Timeline, memory: Sequence[Memory]) -> tuple[StaleSession, ...] | None:
    """The stale sessions, in order of creation; None without a hook log, which alone says who held what."""
    if not timeline.capture.hooked:
        return None
    alive = [session for session in timeline.sessions if not session.error]
    replaced_ns = {session.replaces: session.start_ns for session in alive if session.replaces is not None}
    last_made_ns: dict[int, int] = {}
    for session in alive:
        last_made_ns[session.process] = max(last_made_ns.get(session.process, 0), session.start_ns)
    found = []
    for session in alive:
        if session.index in replaced_ns:
            held = _by_binding(timeline, session, replaced_ns[session.index])
        else:
            held = _by_program(timeline, session, last_made_ns[session.process])
        if held is not None:
            held_by, since_ns, until_ns = held
            found.append(
                StaleSession(
                    session=session.index, held_by=held_by, since_ns=since_ns, until_ns=until_ns,
                    memory=memory[session.index],
                )
            )  # fmt: skip
    return tuple(found)


_Held = tuple[HeldBy, int, int | None]


def _by_program(timeline: Timeline, session: Session, last_made_ns: int) -> _Held | None:
    ended_ns = timeline.runs.end_ns[timeline.runs.session == session.index]
    since_ns = int(ended_ns.max()) if len(ended_ns) else session.end_ns
    until_ns = timeline.end_ns if session.released_ns is None else session.released_ns
    return (HeldBy.PROGRAM, since_ns, until_ns) if since_ns < last_made_ns < until_ns else None


def _by_binding(timeline: Timeline, session: Session, since_ns: int) -> _Held | None:
    hooks, spans = timeline.hooks, timeline.spans
    made = [number for number, name in enumerate(timeline.names) if name == "io_binding"]
    bindings = hooks.binding[np.isin(hooks.what, made) & (hooks.session == session.index)]
    bindings = bindings[bindings != NONE]
    version = version_of(timeline.capture.versions.get("onnxruntime", ""))
    if not len(bindings) or (version is not None and version < BINDING_HOLDS):
        return None
    used_ns = spans.end_ns[hooks.span[np.isin(hooks.binding, bindings) & (spans.start_ns[hooks.span] >= since_ns)]]
    if len(used_ns):
        return HeldBy.BINDING, since_ns, int(used_ns.max())
    return HeldBy.PERHAPS_BINDING, since_ns, None


def version_of(text: str) -> tuple[int, int] | None:
    """Major and minor version; None for a text that is none."""
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None
