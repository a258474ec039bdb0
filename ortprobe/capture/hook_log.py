"""The hook log as the hooks see it: it never raises, names threads as they appear, and says each loss once."""

from __future__ import annotations

import threading
from typing import Any

from ortprobe.bundle import AnyRecord, BundleWriter, Call, Lost, Thread


class HookLog:
    """Writes records while `enabled`. Disabled after the capture and in forked children, where hooks only call through.

    `writer` is None where a capture only measures its own cost.
    """

    def __init__(self, writer: BundleWriter | None) -> None:
        self.enabled = True
        self._writer = writer
        self._local = threading.local()
        self._losses: set[tuple[str, int]] = set()

    def append(self, record: AnyRecord) -> None:
        """Write one record; a full disk or a closed log loses it, and the program goes on."""
        if not self.enabled or self._writer is None:
            return
        try:
            self._writer.append(record)
        except OSError:
            self.enabled = False

    def call(self, what: str, start_ns: int, end_ns: int, site: str = "", error: str = "", **fields: Any) -> None:
        """Write a `Call` made by this thread."""
        self.append(
            Call(what=what, start_ns=start_ns, end_ns=end_ns, thread=self.thread(), site=site, error=error, **fields)
        )

    def lost(self, what: str, why: object, session: int = -1) -> None:
        """Write a `Lost` record, the first time that `what` is lost (for this session)."""
        if (what, session) not in self._losses:
            self._losses.add((what, session))
            self.append(Lost(what=what, why=one_line(why), session=session))

    def thread(self) -> int:
        """This thread's OS id; the thread is described in the log when it is first seen."""
        native_id: int | None = getattr(self._local, "native_id", None)
        if native_id is None:
            native_id = self._local.native_id = threading.get_native_id()
            ident_low32 = threading.get_ident() & 0xFFFFFFFF
            self.append(Thread(native_id=native_id, ident_low32=ident_low32, name=threading.current_thread().name))
        return native_id


def one_line(reason: object) -> str:
    """A reason for people on one line; an exception reads `TypeName: message`."""
    try:
        text = f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)
    except Exception:
        text = type(reason).__name__
    return " ".join(text.split())[:500].removesuffix(":")
