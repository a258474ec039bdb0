"""Hooks on the ways in which Python threads hand work to each other, for the order of what different threads do.

Covered:
* `threading.Thread`: its start, its end, and a `join` that saw the end; `Timer` and other subclasses too.
* `queue.Queue`, `LifoQueue`, `PriorityQueue` and subclasses that leave `_get` to them: each `put` with the `get` of its
  item, and `task_done` with `join`.
* `concurrent.futures`: `ThreadPoolExecutor.submit` (and `map`) with the run, the end of the run with `result`,
  `exception`, `wait`, `as_completed` and a callback added to a future that is done. Callbacks added earlier run in the
  thread that ends the future. Of a future of another kind of executor, its end alone.
* `threading.Event`: `set` with each `wait` that returned True, up to the next `clear`.
* `asyncio`: `run_in_executor` and `to_thread` go through an executor, and the loop's thread asks the future for its
  result; `run_coroutine_threadsafe` hands its result back through a future.

Not covered: locks, conditions, semaphores and barriers; `queue.SimpleQueue`, a type of C that has no place for hooks
(`ThreadPoolExecutor` has one inside, hence the hooks on executor and future; tasks reach the threads of
`multiprocessing.pool.ThreadPool` through one, their results come back through an event); `loop.call_soon_threadsafe` by
itself, and so the way into `run_coroutine_threadsafe`; whatever polls (`Event.is_set`, `Future.done`,
`Thread.is_alive`); a cancelled future; other processes.

Records are written while torch's profiler is attached, since orders are of use beside a trace alone. A hook never
writes while it knows a lock of the standard library to be held: what a signal handler does in the middle of the
writing might need that lock.
"""

from __future__ import annotations

import sys
import threading
from functools import partial, wraps
from time import time_ns
from types import FrameType
from typing import Any

from ortprobe.capture.handovers.future_handovers import FutureHandovers
from ortprobe.capture.handovers.handover_notes import HandoverNotes, Original, TokenPairs
from ortprobe.capture.handovers.queue_handovers import QueueHandovers
from ortprobe.capture.hooks.patches import Patches
from ortprobe.capture.recorder import Recorder
from ortprobe.capture.weak_map import WeakIdentityMap


def hook_handovers(patches: Patches, recorder: Recorder) -> None:
    """Install the hooks; what this Python has not got is a `Lost` record."""
    notes = HandoverNotes(recorder)
    for hooks in (_Threads(notes), QueueHandovers(notes), FutureHandovers(notes), _Events(notes)):
        hooks.install(patches)


class _Threads:
    """`_bootstrap_inner` is what a new thread does, whoever overrides `run` (Python 3.11 to 3.13)."""

    def __init__(self, notes: HandoverNotes) -> None:
        self._notes = notes
        self._tokens = TokenPairs(notes)

    def install(self, patches: Patches) -> None:
        notes, owner = self._notes, threading.Thread
        notes.replace(patches, owner, "start", partial(notes.wrap_giving, note=self._started))
        notes.replace(patches, owner, "_bootstrap_inner", self._wrap_life)
        notes.replace(patches, owner, "join", partial(notes.wrap_taking, note=self._joined))

    def _wrap_life(self, original: Original) -> Original:
        notes = self._notes

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            if notes.attached():
                notes.guarded(self._begins, *args[:1])
            try:
                return original(*args, **kwargs)
            finally:
                if notes.attached():
                    notes.guarded(self._ends, *args[:1])

        return hooked

    def _started(self, at_ns: int, _result: object, thread: threading.Thread) -> None:
        self._notes.give("thread.start", self._tokens.way_in(thread), at_ns)

    def _begins(self, thread: threading.Thread) -> None:
        self._notes.hold("thread.run", self._tokens.way_in(thread), gives=False)
        self._notes.flush(thread.name)

    def _ends(self, thread: threading.Thread) -> None:
        self._notes.hold("thread.end", self._tokens.way_out(thread), gives=True)
        self._notes.flush(thread.name)

    def _joined(self, _result: object, thread: threading.Thread) -> None:
        if not threading.Thread.is_alive(thread):
            self._notes.take("thread.join", self._tokens.way_out(thread))


class _Events:
    """From one `clear` to the next an event has one token, which all who set it give and all who waited take."""

    def __init__(self, notes: HandoverNotes) -> None:
        self._notes = notes
        self._tokens: WeakIdentityMap[threading.Event, int] = WeakIdentityMap()

    def install(self, patches: Patches) -> None:
        for name, wrap in (("set", self._wrap_set), ("wait", self._wrap_wait), ("clear", self._wrap_clear)):
            self._notes.replace(patches, threading.Event, name, wrap)

    def _wrap_set(self, original: Original) -> Original:
        notes = self._notes

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            token = None
            if notes.attached() and _is_programs(sys._getframe(1)):
                token = notes.guarded(self._token, *args[:1])
            at_ns = time_ns()
            result = original(*args, **kwargs)
            if token is not None:
                notes.guarded(notes.give, "event.set", token, at_ns)
            return result

        return hooked

    def _wrap_wait(self, original: Original) -> Original:
        notes = self._notes

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            before = None
            if notes.attached() and _is_programs(sys._getframe(1)):
                before = notes.guarded(self._token, *args[:1])
            result = original(*args, **kwargs)
            if result and notes.attached() and _is_programs(sys._getframe(1)):
                notes.guarded(self._waited, before, *args[:1])
            return result

        return hooked

    def _wrap_clear(self, original: Original) -> Original:
        notes = self._notes

        @wraps(original)
        def hooked(*args: Any, **kwargs: Any) -> object:
            if self._tokens:
                notes.guarded(self._clearing, *args[:1])
            return original(*args, **kwargs)

        return hooked

    def _token(self, event: threading.Event) -> int:
        return self._tokens.get_or_make(event, self._notes.token)

    def _waited(self, before: int | None, event: threading.Event) -> None:
        """Whoever set it may have cleared it again before this thread woke, or another have set it anew since."""
        now = self._tokens.get(event)
        for token in {before, now}:
            if token is not None:
                self._notes.take("event.wait", token)

    def _clearing(self, event: threading.Event) -> None:
        if event.is_set():
            self._tokens.pop(event)


def _is_programs(caller: FrameType) -> bool:
    """Whether an event is the program's own, and no part of a thread's start or of a wait for futures.

    `threading` may call an event of the program as well, as the target of a thread or of a timer.
    """
    module = caller.f_globals.get("__name__")
    if module == "threading":
        return caller.f_code.co_name not in ("start", "_bootstrap_inner")
    return module != "concurrent.futures._base"
