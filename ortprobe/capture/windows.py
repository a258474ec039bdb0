"""Cheap before dear: which runs have ORT's profile and torch's profiler attached, counted for each C session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER, Settings
from ortprobe.capture.profiler_window import ProfilerWindows
from ortprobe.capture.sessions import SessionBook, SessionState

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_IDLE_SESSION_PATIENCE = 4
"""A session that is not run keeps torch's profiler attached for this many quotas of the others' runs."""
_MOST_WINDOWS = 32


class Schedule:
    """Attaches and detaches around runs.

    Of each C session, runs `[warmup, warmup + active)` have ORT's profile and torch's profiler, the next `torch_runs`
    torch's profiler alone, and the rest the hooks alone. `profiler` is None where torch's profiler is not wanted.
    """

    def __init__(self, settings: Settings, sessions: SessionBook, profiler: ProfilerWindows | None) -> None:
        self._settings = settings
        self._sessions = sessions
        self._profiler = profiler
        self._ort_end = settings.warmup_runs + settings.active_runs
        self._torch_end = self._ort_end + settings.torch_runs
        self._runs_in_window = 0

    @property
    def profiles_sessions(self) -> bool:
        return self._settings.active_runs > 0

    def before_creation(self) -> None:
        """A session is about to be made: have torch's profiler see it."""
        if self._settings.warmup_runs == 0 and self._torch_end > 0:
            self._open()

    def before_run(self, state: SessionState) -> int:
        """Count a run, attach what it is due, and say what is attached as `ATTACHED_*` bits."""
        with state.lock:
            index = state.runs
            state.runs += 1
            state.in_flight += 1
        if self._settings.warmup_runs <= index < self._torch_end:
            self._open()
        self._runs_in_window += 1
        return self._attached(state)

    def after_run(self, session: InferenceSession, state: SessionState, attached_before: int) -> int:
        """Detach what is no longer due; returns the bits of what was attached from the run's start to its end."""
        attached = attached_before & self._attached(state)
        with state.lock:
            state.in_flight -= 1
            quiet = state.in_flight == 0
        if state.profiled and quiet and state.runs >= self._ort_end:
            self._sessions.end_profile(session, state)
        if self._profiler is not None and self._profiler.is_open and self._all_done():
            self._profiler.close()
        return attached

    def finish(self) -> None:
        if self._profiler is not None:
            self._profiler.finish()

    def profiler_attached(self) -> bool:
        return self._profiler is not None and self._profiler.is_open

    def _attached(self, state: SessionState) -> int:
        bits = ATTACHED_ORT_PROFILE if state.profiled else 0
        return bits | ATTACHED_TORCH_PROFILER if self.profiler_attached() else bits

    def _open(self) -> None:
        profiler = self._profiler
        if profiler is not None and not profiler.is_open and profiler.opened < _MOST_WINDOWS:
            self._runs_in_window = 0
            profiler.open()

    def _all_done(self) -> bool:
        if self._runs_in_window >= _IDLE_SESSION_PATIENCE * self._torch_end:
            return True
        return all(state.runs >= self._torch_end for state in self._sessions.alive())
