"""Sessions of both sides, and how the times of their runs changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.accounts import Account, gap_account, host_account, pace_account, run_account
from ortprobe.analysis.comparison.node_changes import NodeChange, compute_node_changes
from ortprobe.analysis.comparison.node_matches import match_nodes
from ortprobe.analysis.comparison.run_changes import Measure, MeasureChange, Sides, measure_changes
from ortprobe.analysis.comparison.session_matches import MatchedSession, SessionOfSide
from ortprobe.analysis.comparison.verdict import Gate, Outcome, Reason, Verdict
from ortprobe.analysis.trust.claims import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange:
    """A session of the program on both sides, or on one alone."""

    session: MatchedSession
    share: float
    """Of the time that all runs of its side took; of before where it is there."""
    runs: tuple[int, int]
    """Recorded runs, of all captures of a side."""
    failed: tuple[int, int]
    """Those that raised."""
    measures: tuple[MeasureChange, ...]
    """Those that both sides have runs enough for."""
    verdict: Verdict
    by: Measure
    """What the verdict is about: the median latency; the pace where that changed and the latency is the same, or can't
    be told."""
    account: Account | None
    """What makes the difference of its latency; None where no runs of both sides tell what they consist of."""
    pace_account: Account | None
    """What makes the difference of its pace, on the busiest device if one was watched; None without enough runs."""
    nodes: tuple[NodeChange, ...]
    """The largest difference first."""
    median_runs: tuple[int, int] | None
    """Of the first capture of each side, the run with the median latency of those that tell of parts (rows in
    `Timeline.runs`)."""

    def measured(self, measure: Measure) -> MeasureChange | None:
        """None where a side has too few runs for it."""
        return next((each for each in self.measures if each.measure is measure), None)

    @property
    def on_both_sides(self) -> bool:
        return self.session.before is not None and self.session.after is not None


_DEVICE_RESTS_ON = {Claim.GPU_TIME, Claim.IDLE}


def compute_session_change(
    sides: Sides, session: MatchedSession, gate: Gate, unsayable: Mapping[Claim, str]
) -> SessionChange:
    """Everything about one session. What can't be said of one of the captures is left out."""
    measures = measure_changes(sides, session, gate)
    by, verdict = _verdict(session, measures)
    stated = {each.measure: each.change.difference_ns for each in measures}
    pairs = match_nodes(*sides, session)
    account = pace = None
    blind = bool(_DEVICE_RESTS_ON & set(unsayable))
    if Measure.MEDIAN in stated:
        of_latency = sides, session, pairs, stated[Measure.MEDIAN]
        account = (None if blind else run_account(*of_latency)) or host_account(*of_latency)
    if Measure.PERIOD in stated:
        of_pace = sides, session, pairs, stated[Measure.PERIOD]
        pace = (None if blind else pace_account(*of_pace)) or gap_account(*of_pace)
    return SessionChange(
        session=session,
        share=_share(sides, session),
        runs=_count(sides, session, failed=False),
        failed=_count(sides, session, failed=True),
        measures=measures,
        verdict=verdict,
        by=by,
        account=account,
        pace_account=pace,
        nodes=compute_node_changes(sides, session, pairs) if Claim.NODE_TIME not in unsayable else (),
        median_runs=_median_runs(sides, session, account.attached) if account else None,
    )


def _verdict(session: MatchedSession, measures: Sequence[MeasureChange]) -> tuple[Measure, Verdict]:
    found = {each.measure: each.verdict for each in measures}
    latency, pace = found.get(Measure.MEDIAN), found.get(Measure.PERIOD)
    if latency is None:
        both = session.before is not None and session.after is not None
        reason = Reason.TOO_FEW_RUNS if both else Reason.NO_RUNS
        return Measure.MEDIAN, Verdict(outcome=Outcome.CANT_TELL, reasons=(reason,))
    changed = (Outcome.SLOWER, Outcome.FASTER)
    if latency.outcome not in changed and pace is not None and pace.outcome in changed:
        return Measure.PERIOD, pace
    return Measure.MEDIAN, latency


def _owners(sides: Sides, session: MatchedSession) -> list[tuple[Sequence[Analyses], SessionOfSide | None]]:
    return list(zip(sides, (session.before, session.after), strict=True))


def _share(sides: Sides, session: MatchedSession) -> float:
    for side, own in _owners(sides, session):
        if own is not None:
            mine_ns = sum(
                int(each.runs.latency_ns[mine].sum()) for each, mine in zip(side, own.runs_of(side), strict=True)
            )
            all_ns = sum(int(each.runs.latency_ns.sum()) for each in side)
            return mine_ns / all_ns if all_ns else 0.0
    return 0.0


def _count(sides: Sides, session: MatchedSession, *, failed: bool) -> tuple[int, int]:
    counts = [0, 0]
    for number, (side, own) in enumerate(_owners(sides, session)):
        for each, mine in zip(side, own.runs_of(side) if own else [()] * len(side), strict=True):
            chosen = np.asarray(mine, np.bool_)
            counts[number] += int((chosen & each.runs.failed).sum() if failed else chosen.sum()) if own else 0
    return counts[0], counts[1]


def _median_runs(sides: Sides, session: MatchedSession, attached: int) -> tuple[int, int] | None:
    found = []
    for side, own in _owners(sides, session):
        runs = side[0].runs
        chosen = own.runs_of(side)[0] & runs.steady & (runs.attached == attached) if own else np.zeros(0, np.bool_)
        rows = np.flatnonzero(chosen)
        if not len(rows):
            return None
        found.append(int(rows[np.argsort(runs.latency_ns[rows], kind="stable")[(len(rows) - 1) // 2]]))
    return found[0], found[1]
