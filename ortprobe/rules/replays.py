"""What a replay of the loop says that mending a fault saves."""

from __future__ import annotations

from dataclasses import dataclass

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.path.changes import Change
from ortprobe.units import format_ns, format_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Of one change in the loop of one session."""

    share: float
    """Of a run with all that is around it."""
    sure_share: float
    """The least it can be, by what the replay does not know; negative where it may save nothing."""
    saves_ns: int
    """Over all runs of the session."""
    sentence: str
    """The same in words, to stand in a finding's detail."""


def saving(analyses: Analyses, change: Change, session: int, without: str) -> Saving | None:
    """None where no loop of this session was replayed, or there is nothing to change for it; `without` goes on after
    "it would take … "."""
    loop = analyses.what_ifs
    changed = loop.of_change(change) if loop else None
    runs = analyses.timeline.runs
    if loop is None or changed is None or int(runs.session[loop.loop.runs[0]]) != session:
        return None
    saved_ns = loop.pace_ns - changed.pace_ns
    return Saving(
        share=saved_ns / max(loop.pace_ns, 1),
        sure_share=1 - changed.high_ns / max(loop.pace_ns, 1),
        saves_ns=max(saved_ns, 0) * int((runs.session == session).sum()),
        sentence=f"A run with all that is around it takes {format_ns(loop.pace_ns)}. By a replay of the loop it would "
        f"take {format_ns(changed.pace_ns)} {without} ({format_ratio(saved_ns, loop.pace_ns)} less), and between "
        f"{format_ns(changed.low_ns)} and {format_ns(changed.high_ns)} by what the replay does not know.",
    )
