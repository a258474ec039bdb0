"""What the capture can't show, and what tracing did to the program."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.timeline import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """`ok` when nothing that a verdict rests on is missing."""

    ok: bool
    problems: tuple[Problem, ...]
    sync_calls: int
    """Waits that the program made, as CUDA calls."""
    sync_resolved: int
    """Those whose other side the trace names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What tracing cost: median run with everything attached, with torch's profiler alone, with the hooks alone."""

    traced_median_ns: int | None
    torch_only_median_ns: int | None
    untraced_median_ns: int | None
    ratio: float | None
    """Traced over untraced; None when one of them was not measured."""
    hook_cost_ns: int | None
    """What the hooks add to one run call."""
