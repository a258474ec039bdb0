"""Who waited for whom, and how long that really stalled them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Waiter(StrEnum):
    HOST = "host"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One wait: a host call that blocks until device work is done, or a stream told to wait for an event."""

    span: int
    """The WAIT span, or the CUDA call where the trace holds no synchronisation records."""
    call: int
    """The CUDA call; NONE for a wait that no recorded call made."""
    name: str
    """`cudaStreamSynchronize`, `cudaStreamWaitEvent`, `cudaMemcpy` …"""
    waiter: Waiter
    waiter_lane: int
    """Index in `Timeline.lanes` of the thread or stream that waits."""
    device: int
    waited_streams: tuple[int, ...]
    """CUPTI ids of the streams waited for; empty when unresolved or when nothing was outstanding."""
    start_ns: int
    end_ns: int
    stall_ns: int | None
    """Host: how much of the call overlapped with work it waited for. Stream: how long the stream was held back.
    None when the trace does not resolve what was waited for."""
    work: int
    """The last device work that was waited for (a span); NONE when there was none or it is unresolved."""
    run: int
    """Row in `Timeline.runs`; NONE outside runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTimes:
    """All waits in time order, and how well they resolve."""

    waits: tuple[Wait, ...]
    unresolved: int
    host_stall_ns: int
    stream_stall_ns: int
