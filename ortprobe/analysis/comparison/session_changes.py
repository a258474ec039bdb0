"""Sessions of both sides, and how the times of their runs changed."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.analysis.comparison.accounts import Account
from ortprobe.analysis.comparison.node_changes import NodeChange
from ortprobe.analysis.comparison.run_changes import Measure, MeasureChange
from ortprobe.analysis.comparison.session_matches import MatchedSession
from ortprobe.analysis.comparison.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange:
    """A session of the program on both sides, or on one alone."""

    session: MatchedSession
    share: float
    """Of the time that all runs of its side took, of before where it is there."""
    runs: tuple[int, int]
    """Recorded runs, of all captures of a side."""
    failed: tuple[int, int]
    """Those that raised."""
    measures: tuple[MeasureChange, ...]
    """Those that both sides have runs enough for."""
    verdict: Verdict
    """Of its median latency; of its pace where that changed and the latency is the same, or can't be told."""
    by: Measure
    """What the verdict is about."""
    account: Account | None
    """What makes the difference of its latency; None where no runs of both sides tell what they consist of."""
    pace_account: Account | None
    """What makes the difference of its pace, on the busiest device; None where no device was watched on both sides."""
    nodes: tuple[NodeChange, ...]
    """The largest difference first."""
    median_runs: tuple[int, int] | None
    """Of the first capture of each side, the watched run with the median latency (rows in `Timeline.runs`)."""

    def measured(self, measure: Measure) -> MeasureChange | None:
        return next((each for each in self.measures if each.measure is measure), None)
