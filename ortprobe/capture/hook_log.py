"""The hook log as the hooks see it: it never raises, names threads as they appear, and says each loss once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from ortprobe.bundle import Access, AnyRecord, BundleWriter, Call, Handover, Lost, Served, SessionCreated, Thread
from ortprobe.capture.clock import quick_anchor

CALLS_OUTSIDE_WINDOWS = 20_000
"""Calls that are logged one by one while no profiler is attached: 4 MB. A service makes more in a minute."""
_NO_LIMIT = 1 << 62
_MOST_THREADS = 10_000
TICK_BITS = 30
"""The clocks are read beside the first call of each 2^30 ns, a good second: 100 bytes."""


class HookLog:
    """Writes records while `enabled`. Disabled after the capture, where hooks only call through.

    `detailed` says whether calls are to be logged one by one: inside a window, and until their allowance outside is
    used up. Runs are counted without it, and everything else that happens often is left out. Failed calls, sessions and
    what is rare are logged regardless, until the bundle has reached `limit_bytes`.
    """

    def __init__(
        self,
        writer: BundleWriter | None,
        *,
        allowance: int = CALLS_OUTSIDE_WINDOWS,
        limit_bytes: int = _NO_LIMIT,
    ) -> None:
        self.enabled = True
        self.detailed = True
        self.is_full = False
        """Whether the bundle has reached its limit, after which nothing is attached any more."""
        self.threads: set[int] = set()
        """OS ids of the threads that made hooked calls."""
        self._writer = writer
        self._open_writer: Callable[[], BundleWriter] | None = None
        self._allowance = allowance
        self._limit_bytes = self._left_bytes = limit_bytes
        self.in_window = False
        """Whether torch's profiler is attached."""
        self._local = threading.local()
        self._losses: dict[tuple[str, int], Lost] = {}
        self.tick = 0
        """The wall clock in units of 2^TICK_BITS ns when the clocks were read. A call that ended in another is a reason
        to read them again: time has passed, or the wall clock was set."""

    @property
    def writer(self) -> BundleWriter | None:
        """The bundle that is written; None in a forked child that has had nothing to write."""
        return self._writer

    def append(self, record: AnyRecord) -> None:
        """Write one record; a full disk or a closed log loses it, and the program goes on."""
        if not self.enabled or (writer := self._writer or self._opened()) is None:
            return
        if self.is_full and isinstance(record, Call | SessionCreated | Served | Access | Handover):
            return
        try:
            self.stored(writer.append(record))
        except OSError:
            self.enabled = False

    def line(self, line: bytes) -> None:
        """Write a call of the program that is already encoded."""
        if not self.enabled or self.is_full or (writer := self._writer or self._opened()) is None:
            return
        try:
            writer.append_line(line)
        except OSError:
            self.enabled = False
        self._left_bytes -= len(line)
        if not self.in_window:
            self._allowance -= 1
        if self._left_bytes < 0 or self._allowance == 0:
            self._run_out()

    def stored(self, size_bytes: int) -> None:
        """So much was added to the bundle, in whichever of its files."""
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            self._run_out()

    def call(self, what: str, start_ns: int, end_ns: int, site: str = "", error: str = "", **fields: Any) -> None:
        """Write a `Call` made by this thread."""
        if not self.in_window:
            self._allowance -= 1
            if self._allowance == 0:
                self._run_out()
        if end_ns >> TICK_BITS != self.tick:
            self.anchor()
        self.append(
            Call(what=what, start_ns=start_ns, end_ns=end_ns, thread=self.thread(), site=site, error=error, **fields)
        )

    def anchor(self) -> int:
        """Write what the clocks say now; returns CLOCK_MONOTONIC in ns."""
        anchor = quick_anchor()
        self.tick = anchor.realtime_ns >> TICK_BITS
        self.append(anchor)
        return anchor.monotonic_ns

    def lost(self, what: str, why: object, session: int = -1) -> None:
        """Write a `Lost` record, the first time that `what` is lost (for this session), and count the others."""
        known = self._losses.get((what, session))
        if known is not None:
            self._losses[what, session] = msgspec.structs.replace(known, count=known.count + 1)
            return
        lost = self._losses[what, session] = Lost(what=what, why=one_line(why), session=session)
        self.append(lost)

    def finish(self) -> None:
        """Write how often things were lost, and nothing more."""
        for lost in self._losses.values():
            if lost.count > 1:
                self.append(lost)
        self.enabled = False

    def thread(self, name: str = "") -> int:
        """This thread's OS id; the thread is described in the log when it is first seen.

        `name` is for a thread that Python does not list yet, or no longer.
        """
        try:
            native_id: int = self._local.native_id
        except AttributeError:
            native_id = self._local.native_id = threading.get_native_id()
            if len(self.threads) < _MOST_THREADS:
                self.threads.add(native_id)
            ident_low32 = threading.get_ident() & 0xFFFFFFFF
            self.append(Thread(native_id=native_id, ident_low32=ident_low32, name=name or _thread_name()))
        return native_id

    def window(self, *, is_open: bool) -> None:
        """torch's profiler is attached from now on, or no longer."""
        self.in_window = is_open
        self._decide()
        self.anchor()

    def start_again(self, open_writer: Callable[[], BundleWriter]) -> None:
        """In a forked child: leave the parent's log alone, and begin one with the first record there is."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.forget()
        self._open_writer = open_writer
        self._local = threading.local()
        self._losses = {}
        self.tick = 0
        self.in_window = self.is_full = False
        self._left_bytes = self._limit_bytes
        self._decide()

    def _opened(self) -> BundleWriter | None:
        open_writer, self._open_writer = self._open_writer, None
        if open_writer is None:
            return None
        try:
            self._writer = open_writer()
        except Exception:
            self.enabled = False
        return self._writer

    def _run_out(self) -> None:
        """The allowance of calls outside of windows is used up, or the room in the bundle."""
        if self._left_bytes < 0 and not self.is_full:
            self.is_full = True
            self.lost("bundle_size", f"the bundle reached its limit of {self._limit_bytes:,} bytes (--max-size)")
        self._decide()

    def _decide(self) -> None:
        self.detailed = not self.is_full and (self.in_window or self._allowance > 0)


def _thread_name() -> str:
    """`threading.current_thread()` would add a thread that Python does not know to Python's list of threads."""
    thread = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]
    return thread.name if thread is not None else ""


def one_line(reason: object) -> str:
    """A reason for people on one line; an exception reads `TypeName: message`."""
    try:
        text = f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)
    except Exception:
        text = type(reason).__name__
    return " ".join(text.split())[:500].removesuffix(":")
