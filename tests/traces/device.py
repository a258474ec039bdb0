"""Streams as CUDA executes them: each in order, the legacy stream against all blocking ones, others by events alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from traces.program import StreamKind, StreamSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A point in a stream: when the device comes to it, and which work documented order puts before it."""

    at_ns: int = 0
    order: int = 0
    """Bit i for work i."""

    def joined(self, other: Reached) -> Reached:
        return Reached(at_ns=max(self.at_ns, other.at_ns), order=self.order | other.order)


@dataclass(slots=True, kw_only=True)
class _State:
    tail: Reached = field(default_factory=Reached)
    """Behind all that was enqueued, waits among it."""
    free_ns: int = 0
    """Behind the last work alone."""
    pending: dict[int, int] = field(default_factory=dict)
    """Waits since the last work, by number: when what they wait for is done."""


class Streams:
    """All streams of a process."""

    def __init__(self, specs: Sequence[StreamSpec], pace_ns: int = 0) -> None:
        self._specs = specs
        self._pace_ns = pace_ns
        self._states = [_State() for _ in specs]

    def tail(self, stream: int) -> Reached:
        """The end of all that a stream has to do, with what its kind makes it wait for."""
        tail = self._states[stream].tail
        for other in self._ordered_with(stream):
            tail = tail.joined(self._states[other].tail)
        return tail

    def tail_of_device(self, device: int) -> Reached:
        """The end of all work of a device."""
        tail = Reached()
        for spec, state in zip(self._specs, self._states, strict=True):
            if spec.device == device:
                tail = tail.joined(state.tail)
        return tail

    def enqueue(self, stream: int, host: Reached, duration_ns: int, work: int) -> tuple[int, int, int, dict[int, int]]:
        """Run work that reaches the device at `host.at_ns`.

        Returns its start, its end, what it is ordered behind, and for each wait in front of it how long it was held.
        """
        state = self._states[stream]
        before = self.tail(stream).joined(host)
        free_ns = max(state.free_ns, host.at_ns, *(self._states[one].tail.at_ns for one in self._ordered_with(stream)))
        stalls = {wait: max(until_ns - free_ns, 0) for wait, until_ns in state.pending.items()}
        start_ns = before.at_ns + (self._pace_ns if before.at_ns > host.at_ns else 0)
        end_ns = start_ns + duration_ns
        state.tail = Reached(at_ns=end_ns, order=before.order | 1 << work)
        state.free_ns = end_ns
        state.pending.clear()
        return start_ns, end_ns, before.order, stalls

    def pass_by(self, stream: int, host: Reached) -> Reached:
        """Enqueue an event's record, which takes no time."""
        state = self._states[stream]
        state.tail = self.tail(stream).joined(host)
        return state.tail

    def wait(self, stream: int, event: Reached, host: Reached, wait: int) -> None:
        """Make a stream wait; `wait` is the number by which `enqueue` answers what it held."""
        state = self._states[stream]
        state.pending[wait] = event.at_ns
        state.tail = self.tail(stream).joined(event).joined(host)

    def _ordered_with(self, stream: int) -> list[int]:
        spec = self._specs[stream]
        against = {StreamKind.LEGACY: StreamKind.BLOCKING, StreamKind.BLOCKING: StreamKind.LEGACY}.get(spec.kind)
        return [
            number for number, other in enumerate(self._specs) if other.kind is against and other.device == spec.device
        ]
