"""Configuration entries and provider options that the program gave, and which of them nobody looks for."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

import numpy as np

from ortprobe.analysis.sessions.config_keys import KNOWN_UP_TO, OWN_AREAS, RUN_KEYS, SESSION_KEYS
from ortprobe.analysis.sessions.session_lives import CUDA_DEFAULTS
from ortprobe.analysis.sessions.stale import version_of
from ortprobe.timeline import NONE, Session, Timeline

_KEYS = {"add_session_config_entry": SESSION_KEYS, "add_run_config_entry": RUN_KEYS}
_OTHER = {"add_session_config_entry": RUN_KEYS, "add_run_config_entry": SESSION_KEYS}
_CPU = "CPUExecutionProvider"
_LIKE = 0.85
"""Two keys of which so much is the same are one, misspelt: of ORT's own keys no two are as like that mean the same."""


class Ignored(StrEnum):
    """Why an option has no effect."""

    MISSPELT = "misspelt"
    """No key, but nearly one."""
    MISPLACED = "misplaced"
    """A key of the other kind of options; or an option of CUDA's that was given to the CPU's provider."""
    UNKNOWN = "unknown"
    """No key that ORT is known to look for, though it begins like one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredOption:
    """An option that ORT took and does not look at."""

    key: str
    why: Ignored
    meant: str
    """The key that it nearly is, or where it belongs; empty for an unknown one."""
    row: int
    """Row in `Timeline.hooks` of the call that gave it; NONE for an option of a provider."""
    session: int
    """Index of the session that was given it; NONE for a configuration entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigEntries:
    """What the program gave of options whose keys ORT does not check."""

    given: int
    """How many keys."""
    ignored: tuple[IgnoredOption, ...]
    watched: bool
    """Whether entries would have been seen."""


def compute_config_entries(timeline: Timeline) -> ConfigEntries:
    """Every key once."""
    hooks, names = timeline.hooks, timeline.names
    calls = [number for number, name in enumerate(names) if name in _KEYS]
    rows = np.flatnonzero(np.isin(hooks.what, calls) & (hooks.option != NONE)).tolist()
    entries = [_entry(timeline, row, names[hooks.what[row]], names[hooks.option[row]]) for row in rows]
    options = [option for session in timeline.sessions for option in _options_of(session)]
    return ConfigEntries(
        given=len(rows) + sum(len(session.requested_options.get(_CPU, {})) for session in timeline.sessions),
        ignored=tuple(one for one in (*entries, *options) if one is not None),
        watched=bool(rows) or "ortprobe.watch_options" in names,
    )


def _entry(timeline: Timeline, row: int, call: str, key: str) -> IgnoredOption | None:
    if key in _KEYS[call]:
        return None
    meant, why = _meant(call, key), Ignored.MISSPELT
    if key in _OTHER[call]:
        meant, why = ("RunOptions" if key in RUN_KEYS else "SessionOptions"), Ignored.MISPLACED
    elif not meant:
        version = version_of(timeline.capture.versions.get("onnxruntime", ""))
        if not key.startswith(OWN_AREAS) or version is None or version > KNOWN_UP_TO:
            return None
        why = Ignored.UNKNOWN
    return IgnoredOption(key=key, why=why, meant=meant, row=row, session=NONE)


def _meant(call: str, key: str) -> str:
    """The key that this one nearly is: letters apart, in another case, or without its area."""
    wanted = key.strip().lower()
    without_area = [known for known in sorted(_KEYS[call]) if known.endswith("." + wanted)]
    close = without_area[:1] or get_close_matches(wanted, sorted(_KEYS[call]), n=1, cutoff=_LIKE)
    return close[0] if close else ""


def _options_of(session: Session) -> list[IgnoredOption]:
    """Options of CUDA's that were given to the CPU's provider, which looks at none."""
    own = session.requested_options.get(_CPU, {})
    return [
        IgnoredOption(
            key=key, why=Ignored.MISPLACED, meant="CUDAExecutionProvider", row=NONE, session=session.index
        )
        for key in own
        if key in CUDA_DEFAULTS and key not in session.requested_options.get("CUDAExecutionProvider", {})
    ]  # fmt: skip
