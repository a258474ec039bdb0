"""Which accesses to the same memory are ordered, and how surely.

Each stream and each thread has a vector clock: how far it has seen each of the others. An access is a moment of its own
stream or thread, and is before another when the other's clock has reached that moment. All three levels of `Certainty`
are kept side by side as rows of one array, so that one pass over the program tells the order at each of them.

The rules are those of CUDA's programming guide: work of a stream runs in order and after what its launching thread had
waited for; an event stands for what was enqueued before it was recorded, and no more; work on the legacy default stream
waits for all blocking streams of its device, and they for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from ortprobe.analysis.races.steps import (
    LEVELS,
    Certainty,
    DeviceSync,
    EventSync,
    Give,
    HostAccess,
    Program,
    Record,
    StreamSync,
    StreamWait,
    Take,
    Touch,
    Work,
)
from ortprobe.timeline import Int64s

_OPTIMISTIC = int(Certainty.OPTIMISTIC)


class Hazard(StrEnum):
    """What may go wrong between two accesses that are not ordered."""

    READ_AFTER_WRITE = "read-after-write"
    """The read may see what was there before the write, or half of each."""
    WRITE_AFTER_READ = "write-after-read"
    """The read may see what was written later."""
    WRITE_AFTER_WRITE = "write-after-write"
    """What stays may be the earlier write's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two accesses to the same memory, of which one writes, in the order of the program."""

    first: int
    second: int
    hazard: Hazard
    ordered: Certainty | None
    """The surest level at which the first is before the second; None when it is at none of them."""


def check_order(program: Program) -> Iterator[Pair]:
    """Every access with those it has to be behind: reads with the last write of each cell, writes also with the last
    reads of each stream and thread since then. A pair of accesses can come several times, of several touches.

    Of an earlier write nothing is said when a later one lies between: that has its own pair with both.
    The cost grows with steps, times streams for waits of a whole device; the memory with cells times streams.
    """
    return _Check(program).run()


@dataclass(slots=True)
class _Cell:
    """The last write, and since then the last read of each stream and thread: where its moment counts, and when."""

    write: tuple[int, int, int] | None = None
    """(component of the clocks, moment in it, access)."""
    reads: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Component → (moment, access)."""


class _Check:
    def __init__(self, program: Program) -> None:
        self._program = program
        accessing = sorted({step.thread for step in program.steps if isinstance(step, HostAccess)})
        self._of_thread = {thread: len(program.streams) + at for at, thread in enumerate(accessing)}
        self._width = len(program.streams) + len(accessing)
        self._now = [0] * self._width
        self._streams = [self._clock() for _ in program.streams]
        self._threads = [self._clock() for _ in range(program.threads)]
        self._seen_by_all = np.zeros(self._width, np.int64)
        """What any thread has seen, which optimists hold all threads to have seen."""
        self._last_legacy = {stream.device: self._clock() for stream in program.streams}
        self._blocking_from = [_blocking_from(stream.is_blocking) for stream in program.streams]
        self._of_device: dict[int, list[int]] = {}
        for number, stream in enumerate(program.streams):
            self._of_device.setdefault(stream.device, []).append(number)
        self._events: dict[int, Int64s] = {}
        self._tokens: dict[int, Int64s] = {}
        self._uses = Counter(_uses(program))
        self._cells: dict[int, _Cell] = {}

    def run(self) -> Iterator[Pair]:
        for step in self._program.steps:
            match step:
                case Work():
                    yield from self._work(step)
                case HostAccess():
                    clock = self._thread(step.thread)
                    yield from self._touched(step.touches, self._of_thread[step.thread], clock)
                    self._has_seen(clock)
                case Record():
                    self._enter(step.stream, step.thread)
                    if self._uses["event", step.event]:
                        self._events[step.event] = self._streams[step.stream].copy()
                    self._leave(step.stream)
                case StreamWait():
                    self._stream_wait(step)
                case EventSync():
                    self._host_wait(step.thread, step.certainty, self._event(step.event))
                case StreamSync():
                    self._stream_sync(step)
                case DeviceSync():
                    self._host_wait(step.thread, step.certainty, self._all_of(step.device))
                case Give():
                    self._give(step)
                case Take():
                    self._take(step)

    def _clock(self) -> Int64s:
        return np.zeros((LEVELS, self._width), np.int64)

    def _thread(self, thread: int) -> Int64s:
        """A thread's clock, as it is before its next step."""
        clock = self._threads[thread]
        np.maximum(clock[_OPTIMISTIC], self._seen_by_all, out=clock[_OPTIMISTIC])
        return clock

    def _has_seen(self, clock: Int64s) -> None:
        np.maximum(self._seen_by_all, clock[_OPTIMISTIC], out=self._seen_by_all)

    def _enter(self, stream: int, thread: int | None) -> Int64s:
        """What a stream comes behind when something is enqueued on it."""
        clock = self._streams[stream]
        if thread is not None:
            _join(clock, self._thread(thread))
        else:
            np.maximum(clock[_OPTIMISTIC], self._seen_by_all, out=clock[_OPTIMISTIC])
        self._hold_back(stream, clock)
        return clock

    def _hold_back(self, stream: int, clock: Int64s) -> None:
        """Have a stream's clock, or a copy of it, see what CUDA holds that stream behind unasked."""
        about = self._program.streams[stream]
        if about.is_legacy:
            for other in self._of_device[about.device]:
                if other != stream:
                    _join(clock, self._streams[other], self._blocking_from[other])
        else:
            _join(clock, self._last_legacy[about.device], self._blocking_from[stream])

    def _ahead(self, stream: int) -> Int64s:
        """What has to run before a stream is empty, without a trace on it."""
        clock = self._streams[stream].copy()
        self._hold_back(stream, clock)
        return clock

    def _leave(self, stream: int) -> None:
        about = self._program.streams[stream]
        if about.is_legacy:
            np.copyto(self._last_legacy[about.device], self._streams[stream])

    def _work(self, step: Work) -> Iterator[Pair]:
        clock = self._enter(step.stream, step.thread)
        if step.touches:
            yield from self._touched(step.touches, step.stream, clock)
        self._leave(step.stream)

    def _stream_wait(self, step: StreamWait) -> None:
        awaited = self._event(step.event)
        if step.stream is None:
            for stream in range(len(self._streams)):
                self._may_wait(stream, awaited)
            return
        _join(self._enter(step.stream, step.thread), awaited)
        self._leave(step.stream)

    def _may_wait(self, stream: int, awaited: Int64s) -> None:
        """The legacy stream, if it was that one, would have held all blocking streams too."""
        _join(self._streams[stream], awaited, Certainty.OPTIMISTIC)
        if self._program.streams[stream].is_legacy:
            _join(self._streams[stream], self._ahead(stream), Certainty.OPTIMISTIC)
        self._leave(stream)

    def _stream_sync(self, step: StreamSync) -> None:
        if step.stream is None:
            self._host_wait(step.thread, step.certainty, self._everything())
            return
        self._host_wait(step.thread, step.certainty, self._ahead(step.stream))

    def _host_wait(self, thread: int | None, certainty: Certainty, awaited: Int64s) -> None:
        """A thread that nobody knows may have been any."""
        if thread is None:
            np.maximum(self._seen_by_all, awaited[_OPTIMISTIC], out=self._seen_by_all)
            return
        clock = self._thread(thread)
        _join(clock, awaited, certainty)
        self._has_seen(clock)

    def _event(self, event: int | None) -> Int64s:
        """What an event stands for; optimists take one that nobody knows for one behind everything."""
        if event is None:
            return self._everything()
        known = self._events.get(event)
        self._used("event", event, self._events)
        return self._clock() if known is None else known

    def _everything(self) -> Int64s:
        clock = self._clock()
        clock[_OPTIMISTIC] = self._now
        return clock

    def _all_of(self, device: int | None) -> Int64s:
        clock = self._clock()
        if device is None:
            clock[_OPTIMISTIC] = self._now
        for stream in self._of_device.get(device, ()) if device is not None else ():
            _join(clock, self._streams[stream])
        return clock

    def _give(self, step: Give) -> None:
        if self._uses["token", step.token]:
            clock = self._thread(step.thread)
            known = self._tokens.setdefault(step.token, clock.copy())
            _join(known, clock)

    def _take(self, step: Take) -> None:
        known = self._tokens.get(step.token)
        self._used("token", step.token, self._tokens)
        if known is not None:
            clock = self._thread(step.thread)
            _join(clock, known)
            self._has_seen(clock)

    def _used(self, kind: str, number: int, kept: dict[int, Int64s]) -> None:
        """Forget what is not asked for again."""
        self._uses[kind, number] -= 1
        if not self._uses[kind, number]:
            kept.pop(number, None)

    def _touched(self, touches: tuple[Touch, ...], component: int, clock: Int64s) -> Iterator[Pair]:
        self._now[component] += 1
        now = self._now[component]
        clock[:, component] = now
        for touch in touches:
            for first, hazard, where, moment in self._before(touch):
                levels = clock[:, where] >= moment
                ordered = Certainty(int(np.argmax(levels))) if levels.any() else None
                yield Pair(first, touch.access, hazard, ordered)
            self._note(touch, component, now)

    def _before(self, touch: Touch) -> set[tuple[int, Hazard, int, int]]:
        """What an access has to be behind: (access, hazard, component, moment)."""
        found: set[tuple[int, Hazard, int, int]] = set()
        if not touch.is_checked:
            return found
        after_write = Hazard.WRITE_AFTER_WRITE if touch.writes else Hazard.READ_AFTER_WRITE
        for number in range(touch.first, touch.past):
            cell = self._cells.get(number)
            if cell is None:
                continue
            if cell.write is not None and cell.write[2] != touch.access:
                found.add((cell.write[2], after_write, cell.write[0], cell.write[1]))
            if touch.writes:
                for component, (moment, access) in cell.reads.items():
                    if access != touch.access:
                        found.add((access, Hazard.WRITE_AFTER_READ, component, moment))
        return found

    def _note(self, touch: Touch, component: int, now: int) -> None:
        for number in range(touch.first, touch.past):
            cell = self._cells.setdefault(number, _Cell())
            if touch.writes:
                cell.write = (component, now, touch.access)
                cell.reads.clear()
            else:
                cell.reads[component] = (now, touch.access)


def _join(clock: Int64s, other: Int64s, certainty: int = Certainty.STRICT) -> None:
    """Have a clock see what another has seen, at this level and those above it."""
    if certainty < LEVELS:
        np.maximum(clock[certainty:], other[certainty:], out=clock[certainty:])


def _blocking_from(is_blocking: bool | None) -> int:
    """The first level at which a stream counts as blocking."""
    if is_blocking is None:
        return Certainty.OPTIMISTIC
    return Certainty.STRICT if is_blocking else LEVELS


def _uses(program: Program) -> Iterator[tuple[str, int]]:
    """Each wait for an event that is known, and each take of a token."""
    for step in program.steps:
        if isinstance(step, StreamWait | EventSync) and step.event is not None:
            yield "event", step.event
        elif isinstance(step, Take):
            yield "token", step.token
