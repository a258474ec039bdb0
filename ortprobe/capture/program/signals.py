"""Signals that end a program: it dies of them as it would without the tracer, with the capture complete.

SIGTERM and SIGHUP kill a Python program that has no handler for them: no `finally`, no exit function, and the parent
sees the signal. A handler of our own, which the program can't see, completes the capture and then lets the signal do
just that. SIGINT goes on to raise KeyboardInterrupt, but not in the middle of the tracer's own work.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from time import sleep
from types import FrameType, TracebackType
from typing import Any

from ortprobe.capture.hooks.callsite import OUTERMOST, is_hook, is_ours
from ortprobe.capture.hooks.patches import Patches, as_hook

Handler = Callable[[int, FrameType | None], Any] | int | None

FATAL = (signal.SIGTERM, signal.SIGHUP)
_RETRY_S = 0.02
_FOLDER = Path(__file__).parent.parent
_RUN_BY_PROGRAM = frozenset(str(_FOLDER / "runner" / name) for name in ("model.py", "runner.py", "buffers.py"))
"""Those of our files that do a program's work, and may be left at any point as the program may."""
_TRACERS_OWN = (str(_FOLDER) + "/", str(_FOLDER.parent / "bundle") + "/")


class FatalSignals:
    """Within the block, a signal that is about to end the program first calls `conclude` with its number.

    Only signals whose disposition is the default one are handled, so that `nohup` keeps its meaning, and only where
    the block is entered by the main thread, which is where Python runs handlers. `signal.getsignal` and
    `signal.signal` show the program the default disposition that it would see without us, and a handler of its own
    replaces ours. Forked children are not concerned.

    A signal that arrives in the middle of the tracer's work waits for that to be done; a second one does not.
    Python runs handlers between two instructions of the main thread: a call into C ends before the program does.
    """

    def __init__(self, conclude: Callable[[int], object]) -> None:
        self._conclude = conclude
        self._process = os.getpid()
        self._patches = Patches()
        self._waiting: set[int] = set()
        self._retried: set[int] = set()
        # Bound once each: `signal.getsignal` is compared with them by identity.
        self._die_concluded, self._interrupt = self._on_fatal, as_hook(_interrupter(self))
        self._active = False

    def __enter__(self) -> FatalSignals:
        if threading.current_thread() is not threading.main_thread():
            return self
        self._active = True
        for number in (*FATAL, signal.SIGINT):
            self._set(number, signal.getsignal(number))
        self._patches.replace(signal, "getsignal", self._wrap_getsignal)
        self._patches.replace(signal, "signal", self._wrap_signal)
        os.register_at_fork(after_in_child=self._leave)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        """Put back the dispositions that the program thinks it has."""
        if not self._active:
            return
        self._active = False
        self._patches.restore()
        for number in (*FATAL, signal.SIGINT):
            current = signal.getsignal(number)
            if self._shown(current) is not current:
                signal.signal(number, self._shown(current))

    def _set(self, number: int, handler: Handler) -> None:
        ours = self._ours(number, handler)
        if ours is not handler:
            signal.signal(number, ours)

    def _ours(self, number: int, handler: Handler) -> Handler:
        """What to install where the program has, or asks for, this handler."""
        if not self._active:
            return handler
        if handler == signal.SIG_DFL and number in (*FATAL, signal.SIGINT):
            return self._die_concluded
        if handler is signal.default_int_handler and number == signal.SIGINT:
            return self._interrupt
        return handler

    def _shown(self, handler: Handler) -> Handler:
        """What the program is to see in the place of a handler."""
        if handler is self._die_concluded:
            return signal.SIG_DFL
        return signal.default_int_handler if handler is self._interrupt else handler

    def _wrap_getsignal(self, original: Callable[[int], Handler]) -> Callable[[int], Handler]:
        @wraps(original)
        def getsignal(signalnum: int) -> Handler:
            return self._shown(original(signalnum))

        return getsignal

    def _wrap_signal(self, original: Callable[[int, Handler], Handler]) -> Callable[[int, Handler], Handler]:
        @wraps(original)
        def set_signal(signalnum: int, handler: Handler) -> Handler:
            return self._shown(original(signalnum, self._ours(signalnum, handler)))

        return set_signal

    def _on_fatal(self, number: int, frame: FrameType | None) -> None:
        if self._must_wait(number, frame):
            return
        self._leave()  # from here on, the next signal ends the process at once
        try:
            with suppress(BaseException):
                self._conclude(number)
        finally:
            die_of(number)

    def _must_wait(self, number: int, frame: FrameType | None) -> bool:
        """Whether the tracer is at work: the signal is then sent again soon. A second one from outside is obeyed."""
        retried = number in self._retried
        self._retried.discard(number)
        if not in_tracer(frame) or (number in self._waiting and not retried):
            self._waiting.discard(number)
            return False
        self._waiting.add(number)
        try:
            # Named, since a thread without a name takes the number of the program's next one.
            threading.Thread(target=self._send_again, args=(number,), name="ortprobe", daemon=True).start()
        except RuntimeError:  # no more threads can be had
            return False
        return True

    def _send_again(self, number: int) -> None:
        sleep(_RETRY_S)
        if number in self._waiting:
            self._retried.add(number)
            os.kill(self._process, number)


def die_of(number: int) -> None:
    """End this process by a signal."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def in_tracer(frame: FrameType | None) -> bool:
    """Whether what runs in a frame is the tracer's work: rather than the program's, called through a hook or not."""
    while frame is not None:
        filename = frame.f_code.co_filename
        if is_ours(filename) and filename not in _RUN_BY_PROGRAM:
            return filename.startswith(_TRACERS_OWN) and not is_hook(filename) and filename != OUTERMOST
        frame = frame.f_back
    return False


def _interrupter(signals: FatalSignals) -> Callable[[int, FrameType | None], None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        if not signals._must_wait(number, frame):
            signal.default_int_handler(number, frame)

    return interrupt
