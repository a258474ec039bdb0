"""Which memory each run was given for its inputs and outputs, by what the hooks saw being bound or handed over."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.analysis.races.bound_memory import BoundMemory
from ortprobe.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """One input or output of one run."""

    name: int
    """Index in `Timeline.names`."""
    is_output: bool
    address: int
    """0 where nobody named one: an output that ORT allocates."""
    size_bytes: int
    on_host: bool
    hook: int
    """Row in `Timeline.hooks` of the call that bound it."""


def compute_given_buffers(timeline: Timeline) -> dict[int, tuple[Buffer, ...]]:
    """Row in `Timeline.runs` → what it was given. Runs of which nothing was seen are not in it."""
    memory = BoundMemory(timeline)
    found = {}
    for run, _, bound in memory.runs():
        buffers = [_buffer(timeline, memory, key, row) for key, row in bound.items()]
        if buffers:
            found[run] = tuple(buffers)
    return found


def _buffer(timeline: Timeline, memory: BoundMemory, key: tuple[int, bool], row: int) -> Buffer:
    name, is_output = key
    hooks = timeline.hooks
    address, size_bytes = (
        (hooks.write_address, hooks.write_bytes) if is_output else (hooks.read_address, hooks.read_bytes)
    )
    return Buffer(
        name=name,
        is_output=is_output,
        address=int(address[row]),
        size_bytes=int(size_bytes[row]),
        on_host=memory.is_on_host(row),
        hook=row,
    )
