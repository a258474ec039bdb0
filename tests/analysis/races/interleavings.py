"""What can overtake what in a small program, found by trying every interleaving that CUDA allows.

Nothing here knows of clocks: streams are queues, threads begin calls and are held by them, and a state is where all of
them are. Work runs at once when it runs: what can start while another is not finished can also run before it starts.

The order in which calls come to what they share is taken as it was observed: two calls on the same stream, or on a
stream and the legacy one of its device, a record and the waits for its event, a wait and what was enqueued before on
what it waits for. Else nothing could be said of two threads that share a stream, as each run enqueues in another order.
A wait for a stream leaves nothing there: what another thread enqueues later may come before it. All else that two
threads do can come in any order, unless a token was handed over in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple, TypeVar

from ortprobe.analysis.races.steps import (
    Certainty,
    DeviceSync,
    EventSync,
    Give,
    HostAccess,
    Program,
    Record,
    Step,
    StreamSync,
    StreamWait,
    Take,
    Work,
)

Steps = frozenset[int]
T = TypeVar("T")


class Entry(NamedTuple):
    """What stands in a stream's queue. Without a step of its own it only holds the stream back."""

    step: int | None
    behind: Steps


class State(NamedTuple):
    begun: Steps
    held_by: tuple[Steps, ...]
    """By thread, what its last call waits for."""
    queues: tuple[tuple[Entry, ...], ...]
    recorded: tuple[tuple[int, int], ...]
    """(event, the step that recorded it last)."""


def cells(step: Step) -> dict[int, bool]:
    """Those that a step touches, and whether it writes them."""
    touches = step.touches if isinstance(step, Work | HostAccess) else ()
    found: dict[int, bool] = {}
    for touch in touches:
        for cell in range(touch.first, touch.past):
            found[cell] = found.get(cell, False) or touch.writes
    return found


def conflicts(program: Program) -> dict[tuple[int, int], set[int]]:
    """Pairs of steps that touch the same cells, of which one writes, and these cells."""
    touched = [cells(step) for step in program.steps]
    shared = {
        (first, second): {
            cell
            for cell in touched[first].keys() & touched[second].keys()
            if touched[first][cell] or touched[second][cell]
        }
        for first, second in combinations(range(len(touched)), 2)
    }
    return {pair: at for pair, at in shared.items() if at}


def overtaking(program: Program, level: Certainty) -> set[tuple[int, int]]:
    """The conflicting pairs of which the second can run while the first is not finished."""
    machine, found = _Machine(program, level), set[tuple[int, int]]()
    rivals = conflicts(program)
    seen = {machine.start()}
    to_do = list(seen)
    while to_do:
        state = to_do.pop()
        for executed, following in machine.moves(state):
            unfinished = _pending(state) | (machine.all_steps - state.begun)
            found |= {(first, second) for first, second in rivals if second == executed and first in unfinished}
            if following not in seen:
                seen.add(following)
                to_do.append(following)
    return found


def _pending(state: State) -> Steps:
    return frozenset(entry.step for queue in state.queues for entry in queue if entry.step is not None)


def _all_in(queue: tuple[Entry, ...]) -> Steps:
    """What has to run before a queue is empty."""
    return frozenset(entry.step for entry in queue if entry.step is not None).union(*(entry.behind for entry in queue))


class _Machine:
    def __init__(self, program: Program, level: Certainty) -> None:
        self._program, self._level = program, level
        self.all_steps = frozenset(range(len(program.steps)))
        self._only_after = [
            frozenset(before for before in range(step) if self._comes_in_order(before, step)) for step in self.all_steps
        ]

    def start(self) -> State:
        return State(frozenset(), (frozenset(),) * self._program.threads, ((),) * len(self._program.streams), ())

    def moves(self, state: State) -> Iterator[tuple[int | None, State]]:
        """What can come next: (the step that runs now, the state after it)."""
        pending = _pending(state)
        for number in self.all_steps - state.begun:
            step = self._program.steps[number]
            if self._only_after[number] <= state.begun and not state.held_by[step.thread] & pending:
                executed = number if isinstance(step, HostAccess) else None
                yield executed, self._tidied(self._begin(number, state))
        for stream, queue in enumerate(state.queues):
            if queue and not queue[0].behind & pending:
                yield queue[0].step, self._tidied(state._replace(queues=_with(state.queues, stream, queue[1:])))

    def _tidied(self, state: State) -> State:
        """Without what holds nothing back any more."""
        pending, queues = _pending(state), list(state.queues)
        for stream, queue in enumerate(queues):
            while queue and queue[0].step is None and not queue[0].behind & pending:
                queue = queue[1:]  # noqa: PLW2901
            queues[stream] = queue
        return state._replace(queues=tuple(queues), held_by=tuple(held & pending for held in state.held_by))

    def _begin(self, number: int, state: State) -> State:
        step = self._program.steps[number]
        state = state._replace(begun=state.begun | {number})
        match step:
            case Work():
                return self._enqueue(number, step.stream, frozenset(), state)
            case Record():
                recorded = tuple(sorted({**dict(state.recorded), step.event: number}.items()))
                return self._enqueue(number, step.stream, frozenset(), state._replace(recorded=recorded))
            case StreamWait():
                return self._enqueue(number, step.stream, self._event(step.event, state), state)
            case EventSync() | StreamSync() | DeviceSync() if step.certainty <= self._level:
                awaited = self._awaited(step, state) & _pending(state)
                return state._replace(held_by=_with(state.held_by, step.thread, awaited))
        return state

    def _awaited(self, step: EventSync | StreamSync | DeviceSync, state: State) -> Steps:
        if isinstance(step, EventSync):
            return self._event(step.event, state)
        if isinstance(step, StreamSync):
            return self._held_behind(step.stream, state) | _all_in(state.queues[step.stream])
        streams = enumerate(self._program.streams)
        of_device = [_all_in(state.queues[at]) for at, stream in streams if stream.device == step.device]
        return frozenset().union(*of_device)

    def _enqueue(self, number: int, stream: int, behind: Steps, state: State) -> State:
        """The legacy stream first waits on all blocking streams, and then all of them wait on it."""
        entry = Entry(number, behind | self._held_behind(stream, state))
        queues = _with(state.queues, stream, (*state.queues[stream], entry))
        if self._program.streams[stream].is_legacy:
            for other in self._blocking(stream):
                queues = _with(queues, other, (*queues[other], Entry(None, frozenset({number}))))
        return state._replace(queues=queues)

    def _held_behind(self, stream: int, state: State) -> Steps:
        if not self._program.streams[stream].is_legacy:
            return frozenset()
        return frozenset().union(*(_all_in(state.queues[other]) for other in self._blocking(stream)))

    def _blocking(self, legacy: int) -> list[int]:
        streams, optimistic = self._program.streams, self._level == Certainty.OPTIMISTIC
        return [
            at
            for at, stream in enumerate(streams)
            if at != legacy
            and stream.device == streams[legacy].device
            and (optimistic if stream.is_blocking is None else stream.is_blocking)
        ]

    def _event(self, event: int, state: State) -> Steps:
        recorded = dict(state.recorded)
        return frozenset({recorded[event]} if event in recorded else ())

    def _comes_in_order(self, before: int, after: int) -> bool:
        first, second = self._program.steps[before], self._program.steps[after]
        if first.thread == second.thread:
            return True
        if isinstance(second, Take):
            return isinstance(first, Give) and first.token == second.token
        return self._same_queue(first, second) or _same_event(first, second) or self._same_device(first, second)

    def _same_queue(self, first: Step, second: Step) -> bool:
        with_stream = Work | Record | StreamWait | StreamSync
        if not (isinstance(first, with_stream) and isinstance(second, with_stream)):
            return False
        if isinstance(first, StreamSync):
            return False
        one, other = (self._program.streams[step.stream] for step in (first, second))
        return first.stream == second.stream or (one.device == other.device and (one.is_legacy or other.is_legacy))

    def _same_device(self, first: Step, second: Step) -> bool:
        return (
            isinstance(second, DeviceSync)
            and isinstance(first, Work | Record | StreamWait)
            and self._program.streams[first.stream].device == second.device
        )


def _same_event(first: Step, second: Step) -> bool:
    of_event = Record | StreamWait | EventSync
    return (
        isinstance(first, of_event)
        and isinstance(second, of_event)
        and first.event == second.event
        and (isinstance(first, Record) or isinstance(second, Record))
    )


def _with(values: tuple[T, ...], at: int, value: T) -> tuple[T, ...]:
    return (*values[:at], value, *values[at + 1 :])
