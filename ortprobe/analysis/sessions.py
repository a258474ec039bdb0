"""The lives of sessions: why each began, what it cost to make, and what its first run paid on top."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.timeline import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionChange:
    """A provider option that a re-creation changed without naming it: it went back to its default."""

    provider: str
    option: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLife:
    """One C session, from the call that made it to its last run. What nobody measured is None."""

    session: Session
    creation_ns: int | None
    """The whole call; the span from loading to initialised where only ORT's profile is there."""
    load_ns: int | None
    initialize_ns: int | None
    other_ns: int | None
    """Creation less loading and initialising: checking providers, setting them up, Python."""
    runs: int
    first_run_ns: int | None
    steady_run_ns: int | None
    """Median of its later runs under the same tracing as the first; None with fewer than two of them."""
    first_run_excess_ns: int | None
    """First run less steady run; 0 at least."""
    re_init_cost_ns: int | None
    """For a session that replaced another: creation and first-run excess together. None for any other session."""
    options_reset: tuple[OptionChange, ...]
    end_ns: int
    """When the next C session of the same owner replaced it, else the end of its last run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLives:
    """All C sessions in order of creation."""

    lives: tuple[SessionLife, ...]
    re_inits: int
    re_init_cost_ns: int | None
    """Summed over all re-initialisations whose cost is known; None without one."""
