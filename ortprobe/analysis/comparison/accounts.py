"""What makes the difference between the mean runs of both sides: parts that add up to it exactly."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.analysis.idle.causes import IdleCause
from ortprobe.analysis.path.critical_path import PathKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What time of a run went into."""

    kind: PathKind | None
    """On its critical path; None where the run was not watched and the time is that of a node on the host, or
    outside of all nodes."""
    cause: IdleCause | None = None
    """Of HOST: what the thread was doing."""
    node: str = ""
    """Name on both sides, or that of after where they differ; empty for what belongs to no node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartChange:
    """Means over the runs of the account, in whole nanoseconds."""

    part: Part
    before_ns: int
    after_ns: int

    @property
    def more_ns(self) -> int:
        return self.after_ns - self.before_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The mean run of each side, part by part."""

    attached: int
    """What was attached to the runs that tell of parts."""
    runs: tuple[int, int]
    before_ns: int
    """Mean latency of these runs."""
    after_ns: int
    parts: tuple[PartChange, ...]
    """Sum to `before_ns`, to `after_ns`, and so to the difference, exactly. The largest difference first."""
    stated_ns: int
    """The difference that the verdict is about, of the medians of runs with less attached."""

    @property
    def more_ns(self) -> int:
        return self.after_ns - self.before_ns

    @property
    def beside_ns(self) -> int:
        """What of `stated_ns` these parts don't account for: runs that were not watched differ by that much more."""
        return self.stated_ns - self.more_ns
