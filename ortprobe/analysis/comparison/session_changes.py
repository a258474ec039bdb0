"""Sessions of both sides, and how the times of their runs changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ortprobe.analysis.comparison.accounts import Account
from ortprobe.analysis.comparison.bootstrap import Change
from ortprobe.analysis.comparison.node_changes import NodeChange
from ortprobe.analysis.comparison.verdict import Verdict


class Measure(StrEnum):
    MEDIAN = "median"
    """Latency of steady runs: what the verdict is about."""
    P99 = "p99"
    FIRST = "first"
    """Latency of the first run."""
    PERIOD = "period"
    """Start of a run to the start of the next one: the program's pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureChange:
    measure: Measure
    attached: int
    """What was attached to the runs of both sides."""
    change: Change
    verdict: Verdict


class SessionMatch(StrEnum):
    CONTENT = "content"
    """The same model file, by its hash."""
    NAME = "name"
    """Model files of the same name."""
    ORDER = "order"
    """Made as the n-th one, by neither name nor hash."""
    ONLY_BEFORE = "only-before"
    ONLY_AFTER = "only-after"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOfSide:
    """A session of the program, which may have been re-created: all C sessions that followed one another count."""

    sessions: tuple[tuple[int, ...], ...]
    """For each capture of the side the indices in `Timeline.sessions`; empty where a capture has none."""
    model: str
    sha256: str
    """Of the model file; empty where unknown."""
    re_inits: float
    """For each capture on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange:
    match: SessionMatch
    before: SessionOfSide | None
    after: SessionOfSide | None
    share: float
    """Of the time that all runs took before, or after where it is not there before."""
    measures: tuple[MeasureChange, ...]
    """Those that both sides have runs enough for."""
    verdict: Verdict
    """Of its median latency, or of its pace where the latency is the same and the pace is not."""
    account: Account | None
    """None where no runs of both sides tell what they consist of."""
    nodes: tuple[NodeChange, ...]
    """The largest difference first."""
    median_runs: tuple[int, int] | None
    """Of the first capture of each side, the watched run whose latency is the median (rows in `Timeline.runs`)."""

    def measured(self, measure: Measure) -> MeasureChange | None:
        return next((each for each in self.measures if each.measure is measure), None)
