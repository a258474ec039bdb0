"""Writing down the two sides of a hand-over between threads, without getting in the way of either."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import wraps
from time import time_ns
from typing import Any, TypeAlias, TypeVar

from ortprobe.bundle import Handover
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.recorder import Recorder
from ortprobe.capture.weak_map import WeakIdentityMap

Original: TypeAlias = Callable[..., Any]
Note: TypeAlias = tuple[str, int, int, bool, str]
"""What, when, token, whether it gives, and the line of the program that gave."""
T = TypeVar("T")


class _Held(threading.local):
    """Of each thread: what it has not written yet, and whether it has to wait with that."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.waits = False


class HandoverNotes:
    """Writes the records, and never lets an error of ours out into the program."""

    def __init__(self, recorder: Recorder) -> None:
        self.attached = recorder.schedule.profiler_attached
        self.held = _Held()
        self._behind: set[int] = set()
        """Threads (`threading.get_ident`) that hold something back: cheap to ask, on calls where there is nothing."""
        self._log, self._sessions = recorder.log, recorder.sessions
        self._tokens = itertools.count(step=2)

    def token(self) -> int:
        """A number that nothing else has; the next one is free as well."""
        return next(self._tokens)

    def give(self, what: str, token: int, at_ns: int, site: str = "") -> None:
        """Write a give that began at a time."""
        self.held.notes.append((what, at_ns, token, True, site))
        self.flush()

    def take(self, what: str, token: int) -> None:
        """Write a take that ends now."""
        self.held.notes.append((what, time_ns(), token, False, ""))
        self.flush()

    def hold(self, what: str, token: int, *, gives: bool) -> None:
        """Note something of this moment; it is written by the next `flush`."""
        self.held.notes.append((what, time_ns(), token, gives, ""))
        self._behind.add(threading.get_ident())

    def guarded(self, step: Callable[..., T], *args: object) -> T | None:
        """Do it where there is a session, for without one there is nothing to be raced against."""
        try:
            if self._log.enabled and self._sessions.any_created:
                return step(*args)
        except Exception as failure:
            self._log.lost("handover", failure)
        return None

    def flush(self, thread_name: str = "") -> None:
        """Write what this thread has held back."""
        held = self.held
        if held.waits or not held.notes:
            return
        self._behind.discard(threading.get_ident())
        notes, held.notes = held.notes, []  # before the writing, in which a signal handler may come here again
        thread = self._log.thread(thread_name)
        for what, at_ns, token, gives, site in notes:
            self._log.append(Handover(what=what, at_ns=at_ns, thread=thread, token=token, gives=gives, site=site))

    def replace(self, patches: Patches, owner: object, name: str, wrap: Callable[[Original], Original]) -> None:
        """Put a hook in; what this Python has not got is a `Lost` record."""
        if not patches.replace(owner, name, wrap):
            self._log.lost(f"hook:{name}", f"this Python has no {getattr(owner, '__name__', owner)}.{name}")

    def wrap_flushing(self, original: Original) -> Original:
        """For a method that notes something while it holds a lock."""

        behind = self._behind

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            result = original(*args, **kwargs)
            if behind:
                self.guarded(self.flush)
            return result

        return hooked

    def wrap_giving(self, original: Original, note: Callable[[int, Any, Any], None]) -> Original:
        """`note(at_ns, result, object)` follows a call that did not raise, with the time at which it began."""

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            if not self.attached():
                return original(*args, **kwargs)
            at_ns = time_ns()
            result = original(*args, **kwargs)
            self.guarded(note, at_ns, result, *args[:1])
            return result

        return hooked

    def wrap_taking(self, original: Original, note: Callable[[Any, Any], None]) -> Original:
        """`note(result, object)` follows a call that did not raise, also one that began before the window."""

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            result = original(*args, **kwargs)
            if self.attached():
                self.guarded(note, result, *args[:1])
            return result

        return hooked


class TokenPairs(WeakIdentityMap[Any, int]):
    """Two tokens for each object: one for the way in (start, submit) and one for the way out (end, result)."""

    def __init__(self, notes: HandoverNotes) -> None:
        super().__init__()
        self._notes = notes

    def way_in(self, key: object) -> int:
        return self.get_or_make(key, self._notes.token)

    def way_out(self, key: object) -> int:
        return self.way_in(key) + 1
