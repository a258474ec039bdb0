"""Short programs as text, for tests of what orders accesses.

`A writes x; A records e; O waits e; O reads x`

* Streams are named by what they are: `L` is the legacy stream, `B…` are blocking, `U…` may be, and all others are not.
  `A@1` is a stream of device 1.
* Cells are the letters from `p` to `z`: `x`, or `w-z` for four of them. `A reads x writes y` is one kernel.
* `A goes on reading x` is a later operation of the latest access of any stream, without a check of its own.
* `host reads x`, `sync stream A`, `sync event e`, `sync device 0`, `give q`, `take q` are of the thread itself.
  `soft sync …` and `perhaps sync …` are less sure.
* `?` is what nobody knows: a stream that waits, an event, a stream or a device that is waited for.
* `T2: …` is done by another thread than `T1`; `?: …` by one that nobody knows.
"""

from __future__ import annotations

from ortprobe.analysis.races.order import Hazard, check_order
from ortprobe.analysis.races.steps import (
    Certainty,
    DeviceSync,
    EventSync,
    Give,
    HostAccess,
    Program,
    Record,
    Step,
    Stream,
    StreamSync,
    StreamWait,
    Take,
    Touch,
    Work,
)

FIRST_CELL, LAST_CELL = "p", "z"
SHORT = {Hazard.READ_AFTER_WRITE: "RAW", Hazard.WRITE_AFTER_READ: "WAR", Hazard.WRITE_AFTER_WRITE: "WAW"}


class Names(dict[str, int]):
    """Numbers from 0 in the order in which names come first."""

    def __missing__(self, name: str) -> int:
        return self.setdefault(name, len(self))

    def known(self, name: str) -> int | None:
        return None if name == "?" else self[name]


class Sketch:
    def __init__(self, text: str) -> None:
        self.places: list[str] = []
        """By access, the stream or thread that makes it."""
        self._streams, self._threads, self._events, self._tokens = Names(), Names({"T1": 0}), Names(), Names()
        steps = [self._step(line.strip()) for line in text.split(";")]
        self.program = Program([_stream(name) for name in self._streams], len(self._threads), steps)

    def _step(self, line: str) -> Step:
        name, has_thread, rest = line.partition(": ")
        thread, words = self._threads.known(name if has_thread else "T1"), (rest if has_thread else line).split()
        match words:
            case ["soft", "sync", kind, what]:
                return self._sync(thread, kind, what, Certainty.SOFT)
            case ["perhaps", "sync", kind, what]:
                return self._sync(thread, kind, what, Certainty.OPTIMISTIC)
            case ["sync", kind, what]:
                return self._sync(thread, kind, what, Certainty.STRICT)
            case ["give" | "take" as verb, token]:
                return (Give if verb == "give" else Take)(thread, self._tokens[token])
            case ["host", *accesses]:
                return HostAccess(thread, self._access(f"host {thread}", accesses))
        return self._on_stream(thread, words)

    def _sync(self, thread: int | None, kind: str, what: str, certainty: Certainty) -> Step:
        if kind == "stream":
            return StreamSync(thread, self._streams.known(what), certainty)
        if kind == "event":
            return EventSync(thread, self._events.known(what), certainty)
        return DeviceSync(thread, None if what == "?" else int(what), certainty)

    def _on_stream(self, thread: int | None, words: list[str]) -> Step:
        match words:
            case [stream, "waits", event]:
                return StreamWait(thread, self._streams.known(stream), self._events.known(event))
            case [stream, "records", event]:
                return Record(thread, self._streams[stream], self._events[event])
            case [stream, "works"]:
                return Work(thread, self._streams[stream])
            case [stream, "goes", "on", verb, at]:
                return Work(thread, self._streams[stream], (self._touch(verb == "writing", at, is_checked=False),))
            case [stream, *accesses]:
                return Work(thread, self._streams[stream], self._access(stream, accesses))
        raise ValueError(words)

    def _access(self, place: str, words: list[str]) -> tuple[Touch, ...]:
        self.places.append(place)
        return tuple(self._touch(verb == "writes", at) for verb, at in zip(words[::2], words[1::2], strict=True))

    def _touch(self, writes: bool, at: str, *, is_checked: bool = True) -> Touch:
        first, _, last = at.partition("-")
        return Touch(len(self.places) - 1, _cell(first), _cell(last or first) + 1, writes, is_checked)


def verdicts(text: str) -> set[str]:
    """`RAW strict`, `WAW never`, …: what there is between accesses of different streams and threads."""
    sketch = Sketch(text)
    return {
        f"{SHORT[pair.hazard]} {'never' if pair.ordered is None else pair.ordered.name.lower()}"
        for pair in check_order(sketch.program)
        if sketch.places[pair.first] != sketch.places[pair.second]
    }


def _stream(name: str) -> Stream:
    name, _, device = name.partition("@")
    is_blocking = {"B": True, "U": None}.get(name[0], False)
    return Stream(int(device or 0), is_blocking, is_legacy=name == "L")


def _cell(name: str) -> int:
    assert FIRST_CELL <= name <= LAST_CELL
    return ord(name) - ord(FIRST_CELL)
