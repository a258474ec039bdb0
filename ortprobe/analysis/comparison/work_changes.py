"""Kernels, idle time and waits of both sides, for each steady run."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.waits.roles import WaitRole
from ortprobe.analysis.waits.wait_times import Waiter


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelChange:
    """A kernel, copy or fill by its name. Means over the watched runs of all captures of a side."""

    name: str
    before_count: float
    """For each run; 0 where the side has none of the name."""
    after_count: float
    before_ns: float
    """Device time for each run."""
    after_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleChange:
    """Idle time of devices with one cause, for each run, over what was recorded."""

    cause: IdleCause
    before_ns: float
    after_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitChange:
    """Waits of one role, for each run. A stall is None where a wait of the side doesn't say what it waited for."""

    waiter: Waiter
    role: WaitRole
    before_count: float
    after_count: float
    before_stall_ns: float | None
    after_stall_ns: float | None
