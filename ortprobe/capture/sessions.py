"""The C sessions of the traced program: their serial numbers, their runs, and ORT's profile of each."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING

import msgspec

from ortprobe.bundle import NONE, ProfileEnded, SessionCreated, SessionReleased
from ortprobe.capture.compression import compress
from ortprobe.capture.hook_log import HookLog
from ortprobe.capture.weak_map import WeakIdentityMap

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, IOBinding, SessionOptions

PROFILE_PREFIX = "ort-"


@dataclass(slots=True, eq=False)
class SessionState:
    """One C session: who it belongs to, how often it ran, and who profiles it."""

    serial: int
    owner: int
    profile_prefix: str = ""
    """Of our own profile; empty when ORT's profiler is off or the program's own."""
    profiled: bool = False
    """Whether ORT's profiler is on: ours or the program's."""
    created: SessionCreated | None = None
    began_monotonic_ns: int = 0
    """CLOCK_MONOTONIC just before it was made."""
    stream: int = -1
    """The CUDA stream the session was given (`user_compute_stream`)."""
    runs: int = 0
    in_flight: int = 0
    first_run_ns: int = 0
    window_begin: int | None = 0
    """The run at which this session wants torch's profiler attached next; None when it has had its windows."""
    window_end: int = 0
    """The run at which it has seen enough of it."""
    windows_left: int = 1
    is_settled: bool = False
    """Nothing will be attached to its runs any more, so they need not be counted."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Re-entered by a finalizer or a signal handler of the program that runs the session."""


class SessionBook:
    """Which Python session holds which C session, without keeping either alive.

    A Python InferenceSession has one serial number (its owner number), every C session in it another.
    """

    def __init__(self, log: HookLog, folder: Path) -> None:
        self._log = log
        self._folder = folder
        self._states: WeakIdentityMap[InferenceSession, SessionState] = WeakIdentityMap(self._released)
        self._owners: WeakIdentityMap[InferenceSession, int] = WeakIdentityMap()
        self._bindings: WeakIdentityMap[IOBinding, int] = WeakIdentityMap()
        self._serials = itertools.count()
        self._owner_serials = itertools.count()
        self._binding_serials = itertools.count()
        self._unfinished: dict[int, str] = {}
        self._stored: list[str] = []
        self._option_locks: dict[int, threading.RLock] = {}
        self.any_created = False
        self.profiled = 0
        """How many C sessions have had a profile of ours."""

    def state(self, session: InferenceSession) -> SessionState | None:
        """The C session that this Python session holds now; None when its creation was not seen, or failed."""
        return self._states.get(session)

    def serial(self, session: InferenceSession) -> int:
        state = self._states.get(session)
        return NONE if state is None else state.serial

    def binding(self, binding: IOBinding) -> int:
        """The serial number of an IOBinding."""
        serial = self._bindings.get(binding)
        if serial is None:
            serial = next(self._binding_serials)
            self._bindings.set(binding, serial)
        return serial

    def alive(self) -> list[SessionState]:
        """The C sessions that a living Python session holds."""
        return [state for _, state in self._states.items()]

    def living(self) -> list[tuple[InferenceSession, SessionState]]:
        """The Python sessions that are alive, with the C sessions they hold."""
        return self._states.items()

    def start_again(self, folder: Path) -> list[SessionCreated]:
        """In a forked child: ORT's profiles are the parent's. Returns the sessions that the child has inherited.

        Until the child makes or runs a session of its own, what it does with torch is nobody's business.
        """
        self._folder = folder
        self.any_created = False
        self._unfinished.clear()
        self._stored.clear()
        self._option_locks.clear()
        inherited = []
        for state in self.alive():
            state.profiled, state.profile_prefix = False, ""
            state.lock, state.in_flight = threading.RLock(), 0
            if state.created is not None:
                inherited.append(msgspec.structs.replace(state.created, profile_prefix="", profile_start_ns=0))
        return inherited

    def begin(self, session: InferenceSession) -> SessionState:
        """Number the C session that is about to be created in `session`."""
        owner = self._owners.get(session)
        if owner is None:
            owner = next(self._owner_serials)
            self._owners.set(session, owner)
        return SessionState(serial=next(self._serials), owner=owner)

    def keep(self, session: InferenceSession, state: SessionState) -> None:
        """The C session came to life."""
        self._states.set(session, state)
        self.any_created = True

    def drop(self, session: InferenceSession) -> SessionState | None:
        """The C session in `session` is being replaced: complete its profile and forget it."""
        state = self._states.get(session)
        if state is not None:
            self.end_profile(session, state)
            self._states.pop(session)
        return state

    @contextmanager
    def profiling(self, session: InferenceSession, state: SessionState) -> Iterator[None]:
        """Have ORT profile the C session created inside, unless the program profiles it itself.

        ORT copies the SessionOptions while the C session is constructed. The two attributes are put back on the
        program's object and on the copy that `get_session_options()` shows from then on. Threads that create sessions
        from one options object take turns. Without options of its own a session gets a copy of ORT's defaults, as ORT
        does it itself (1.20 to 1.32: `C.get_default_session_options()` returns a copy).
        """
        given = session._sess_options
        options = given if given is not None else _default_options()
        with self._option_locks.setdefault(id(options), threading.RLock()):
            enabled, prefix = options.enable_profiling, options.profile_file_prefix
            if enabled:
                state.profiled = True
                yield
                return
            self.profiled += 1
            state.profile_prefix = f"{PROFILE_PREFIX}{state.serial}"
            state.profiled = True
            options.profile_file_prefix = str(self._folder / state.profile_prefix)
            options.enable_profiling = True
            session._sess_options = options
            self._unfinished[state.serial] = state.profile_prefix
            try:
                yield
            finally:
                for changed in (options, session._sess_options):
                    changed.enable_profiling, changed.profile_file_prefix = enabled, prefix
                if session._sess_options is options:
                    session._sess_options = given

    def end_profile(self, session: InferenceSession, state: SessionState) -> None:
        """Complete ORT's profile of a living C session, when it is ours and not complete yet."""
        with state.lock:
            if not (state.profiled and state.profile_prefix):
                return
            state.profiled = False
        start_ns = time_ns()
        try:
            written = session._sess.end_profiling()
            self._store(state.serial, Path(written))
        except Exception as error:
            self._log.lost("ort_profile", error, session=state.serial)
        self._log.call("ortprobe.end_profiling", start_ns, time_ns(), session=state.serial)

    def copy_program_profile(self, state: SessionState, written: str) -> None:
        """Copy a profile that the program asked for and has just completed into the bundle."""
        state.profiled = False
        name = f"{PROFILE_PREFIX}{state.serial}.json"
        try:
            shutil.copyfile(written, self._folder / name)
        except OSError as error:
            self._log.lost("ort_profile", error, session=state.serial)
        else:
            self._log.append(ProfileEnded(session=state.serial, file=name, end_ns=time_ns()))

    def finish(self) -> None:
        """Complete the profiles of all living sessions and collect those that ORT wrote when a session was deleted."""
        for session, state in self._states.items():
            self.end_profile(session, state)
            if state.profiled:
                self._log.lost("ort_profile", "the program's own profiling had not ended yet", session=state.serial)
        for serial, prefix in list(self._unfinished.items()):
            written = sorted(self._folder.glob(f"{prefix}_*.json"))
            if written and written[-1].stat().st_size:
                self._store(serial, written[-1])
            else:
                self._log.lost("ort_profile", "onnxruntime has not written it: its session still exists", serial)
            for leftover in self._folder.glob(f"{prefix}_*.json"):
                with suppress(OSError):
                    leftover.unlink()
        for stored in self._stored:
            try:
                compress(self._folder / stored)
            except OSError as error:
                self._log.lost("ort_profile_compression", error)

    def abandon(self, state: SessionState) -> None:
        """The creation failed: there is no C session, and whatever profile file it opened holds nothing."""
        prefix = self._unfinished.pop(state.serial, None)
        for leftover in self._folder.glob(f"{prefix}_*.json") if prefix else ():
            with suppress(OSError):
                leftover.unlink()

    def _released(self, state: SessionState) -> None:
        self._log.append(SessionReleased(session=state.serial, at_ns=time_ns()))

    def _store(self, serial: int, written: Path) -> None:
        name = f"{PROFILE_PREFIX}{serial}.json"
        written.replace(self._folder / name)
        self._log.stored((self._folder / name).stat().st_size)
        self._unfinished.pop(serial, None)
        self._stored.append(name)
        self._log.append(ProfileEnded(session=serial, file=name, end_ns=time_ns()))


def _default_options() -> SessionOptions:
    from onnxruntime.capi import onnxruntime_pybind11_state

    return onnxruntime_pybind11_state.get_default_session_options()
