"""Cheap before dear: which runs have ORT's profile and torch's profiler attached, counted for each C session."""

from __future__ import annotations

from _thread import LockType, allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from time import time_ns
from typing import TYPE_CHECKING

from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER, Settings
from ortprobe.capture.profiler.profiler_window import ProfilerWindows
from ortprobe.capture.sessions import SessionBook, SessionState

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_IDLE_SESSION_PATIENCE = 4
"""A session that is not run keeps torch's profiler attached for this many quotas of the others' runs."""
_MOST_WINDOWS = 32
_NEVER = 1 << 62
_MOST_PROFILED_SESSIONS = 64
"""A program that makes a session for each request would fill the disk with profiles of the same model."""


class Schedule:
    """Attaches and detaches around runs.

    Of each C session, runs `[warmup, warmup + active)` have ORT's profile and torch's profiler, the next `torch_runs`
    torch's profiler alone, and the rest the hooks alone, until `wait_runs` later torch's profiler is attached again, up
    to `windows` times. ORT's profile can't be started again. A window, and ORT's profile of a session, also end when
    they have lasted `longest_window_ns`. `profiler` is None until torch is there, and where it is not wanted.
    """

    def __init__(self, settings: Settings, sessions: SessionBook) -> None:
        self.profiler: ProfilerWindows | None = None
        self.when_opened: Callable[[], None] = _nothing
        """Called when a window has opened."""
        self._settings = settings
        self._sessions = sessions
        self._ort_end = settings.warmup_runs + settings.active_runs
        self._quota = settings.active_runs + settings.torch_runs
        self._runs_in_window = 0
        self._deadline_ns = _NEVER
        self._closing = allocate_lock()
        self._alarm: LockType | None = None
        """Held while a window is open; releasing it ends the thread that would close the window."""

    @property
    def profiles_sessions(self) -> bool:
        """Whether the next session is to have ORT's profile from its creation on."""
        return self._settings.active_runs > 0 and self._sessions.profiled < _MOST_PROFILED_SESSIONS

    def adopt(self, state: SessionState) -> None:
        """A C session is being made: it has all of its windows before it."""
        state.windows_left = self._settings.windows
        state.window_begin = self._settings.warmup_runs if self._quota and state.windows_left else None
        state.window_end = self._settings.warmup_runs + self._quota

    def use(self, profiler: ProfilerWindows) -> None:
        """torch has come, and with it the windows that sessions may have gone without until now."""
        self.profiler = profiler
        for state in self._sessions.alive():
            with state.lock:
                if state.window_begin is not None and state.runs > state.window_begin:
                    state.window_begin, state.window_end = state.runs, state.runs + self._quota
                state.is_settled = False

    def before_creation(self) -> None:
        """A session is about to be made: have torch's profiler see it."""
        if self._settings.warmup_runs == 0 and self._quota > 0 and self._settings.windows > 0:
            self._open()

    def before_run(self, state: SessionState) -> int:
        """Count a run, attach what it is due, and say what is attached as `ATTACHED_*` bits."""
        if state.is_settled:
            self._runs_in_window += 1
            return ATTACHED_TORCH_PROFILER if self.profiler_attached() else 0
        with state.lock:
            index = state.runs
            state.runs += 1
            state.in_flight += 1
        if index == 0:
            state.first_run_ns = time_ns()
        if state.window_begin is not None and index >= state.window_begin:
            self._open()
        self._runs_in_window += 1
        return self._attached(state)

    def after_run(self, session: InferenceSession, state: SessionState, attached_before: int) -> int:
        """Detach what is no longer due; returns the bits of what was attached from the run's start to its end."""
        attached = attached_before & self._attached(state)
        if not state.is_settled:
            with state.lock:
                state.in_flight = max(state.in_flight - 1, 0)
                quiet = state.in_flight == 0
            if state.profiled and quiet and self._has_profiled_enough(state):
                self._sessions.end_profile(session, state)
            state.is_settled = quiet and not state.profiled and not self._awaits_window(state)
        if self.profiler is not None and self.profiler.is_open and self._have_seen_enough():
            self._close()
        return attached

    def finish(self) -> None:
        if self.profiler is not None:
            self.profiler.finish()

    def profiler_attached(self) -> bool:
        return self.profiler is not None and self.profiler.is_open

    def _awaits_window(self, state: SessionState) -> bool:
        return state.window_begin is not None and self.profiler is not None and not self.profiler.has_given_up

    def _attached(self, state: SessionState) -> int:
        bits = ATTACHED_ORT_PROFILE if state.profiled else 0
        return bits | ATTACHED_TORCH_PROFILER if self.profiler_attached() else bits

    def _open(self) -> None:
        profiler = self.profiler
        if profiler is None or profiler.is_open or profiler.opened >= _MOST_WINDOWS or self._closing.locked():
            return
        self._runs_in_window, self._deadline_ns = 0, _NEVER  # runs of other threads end while it opens
        profiler.open()
        if profiler.is_open:
            self.when_opened()
            self._deadline_ns = time_ns() + self._settings.longest_window_ns
            if profiler.closes_from_any_thread:
                self._watch()

    def _close(self) -> None:
        """Close the window. One thread does; the others go on, and open no other one meanwhile."""
        profiler = self.profiler
        if profiler is None or not profiler.can_close or not self._closing.acquire(blocking=False):
            return
        try:
            if profiler.is_open:
                self._settle_sessions()
                profiler.close()
                profiler.detach()
                alarm, self._alarm = self._alarm, None
                if alarm is not None:
                    with suppress(RuntimeError):
                        alarm.release()
        finally:
            self._closing.release()

    def _settle_sessions(self) -> None:
        """Sessions that ran in the window that closes have had one more of theirs."""
        for state in self._sessions.alive():
            with state.lock:
                begin = state.window_begin
                if begin is None or state.runs <= begin:
                    continue
                state.windows_left -= 1
                state.window_begin = state.runs + self._settings.wait_runs if state.windows_left > 0 else None
                state.window_end = state.runs + self._settings.wait_runs + self._quota

    def _watch(self) -> None:
        """Close the window when its time is up, also in a program that runs nothing any more.

        The thread is one that `threading` does not list: a program may count its threads, or wait for all of them.
        """
        alarm = self._alarm = allocate_lock()
        alarm.acquire()
        longest_s = self._settings.longest_window_ns / 1e9

        def close_when_due() -> None:
            if not alarm.acquire(timeout=longest_s) and self._alarm is alarm:
                self._close()

        start_new_thread(close_when_due, ())

    def _has_profiled_enough(self, state: SessionState) -> bool:
        return state.runs >= self._ort_end or time_ns() - state.first_run_ns > self._settings.longest_window_ns

    def _have_seen_enough(self) -> bool:
        if self._runs_in_window >= _IDLE_SESSION_PATIENCE * self._quota or time_ns() >= self._deadline_ns:
            return True
        return all(state.window_begin is None or state.runs >= state.window_end for state in self._sessions.alive())


def _nothing() -> None:
    """Nobody wants to know."""
