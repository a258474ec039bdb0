"""What the rules about waits that order nothing have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.path.what_if import WhatIf, WhatIfs
from ortprobe.analysis.races.wait_uses import Use, WaitUse
from ortprobe.analysis.trust.claims import Claim
from ortprobe.analysis.waits.roles import WaitRole
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.races import blindness
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import NEEDLESS_WAITS_SAVE
from ortprobe.timeline import Timeline
from ortprobe.timeline.intervals import union
from ortprobe.units import format_ns, format_ratio

_NO_ANSWER = {
    Use.UNKNOWN: "the trace does not say all that they waited for, or another thread was told something behind them",
    Use.MAY_ORDER: "they order torch's work on different streams, in memory that nobody watched",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How one rule tells its waits."""

    role: WaitRole
    change: Change
    """The loop without them."""
    title: Callable[[int, str], str]
    """From how many waits there were, and how long they stalled."""
    meaning: str


def judge_waits(analyses: Analyses, rule: Rule, words: Wording) -> Outcome:
    """A finding for waits that cost time and order nothing; else why there is none."""
    if blind := blindness(analyses) or cant_tell(analyses, Claim.WAITS):
        return blind
    dear = [use for use in analyses.wait_uses if use.role is words.role]
    of = {kind: [use for use in dear if use.use is kind] for kind in Use}
    loop = analyses.what_ifs
    changed = loop.of_change(words.change) if loop else None
    if of[Use.NOTHING] and (loop is None or changed is None or _saves(loop, changed)):
        return _finding(analyses.timeline, rule, words, of[Use.NOTHING], loop, changed)
    if of[Use.RACES_FIRST]:
        why = "accesses are not ordered as it is; what waits are good for can be told once they are"
        return NotApplicable(why=why, evidence_missing=False)
    for kind, reason in _NO_ANSWER.items():
        if of[kind]:
            why = f"can't tell whether {_told(of[kind])} could be left out: {reason}"
            return NotApplicable(why=why, evidence_missing=True)
    return Passed()


def _saves(loop: WhatIfs, changed: WhatIf) -> bool:
    return loop.pace_ns - changed.pace_ns >= NEEDLESS_WAITS_SAVE * loop.pace_ns


def _finding(
    timeline: Timeline, rule: Rule, words: Wording, waits: list[WaitUse], loop: WhatIfs | None, changed: WhatIf | None
) -> Finding:  # fmt: skip
    calls = np.array([call for use in waits for call in use.calls], np.int64)
    saves_ns = None
    stall_ns, count = sum(use.stall_ns for use in waits), sum(len(use.calls) for use in waits)
    title = words.title(count, format_ns(stall_ns))
    detail = [f"{_told(waits)}. Without them every pair of accesses that was seen, and torch's own work on different "
              f"streams, would be ordered as surely as it is. {words.meaning}"]  # fmt: skip
    if loop is not None and changed is not None:
        saved = format_ratio(loop.pace_ns - changed.pace_ns, loop.pace_ns)
        saves_ns = (loop.pace_ns - changed.pace_ns) * len(timeline.runs)
        title += f"; {saved} of a run's time would be saved without them"
        detail.append(f"A run with all that is around it takes {format_ns(loop.pace_ns)}. By a replay of the loop it "
                      f"would take {format_ns(changed.pace_ns)} without them, and between {format_ns(changed.low_ns)} "
                      f"and {format_ns(changed.high_ns)} by what the replay does not know.")  # fmt: skip
    return Finding(
        code=rule.code,
        severity=Severity.WARNING,
        title=title,
        detail=" ".join(detail),
        count=count,
        cost_ns=stall_ns,
        confidence=Confidence.LIKELY,
        where=distinct_sites(use.site for use in waits),
        evidence=cited([*(use.longest for use in waits), *(call for use in waits for call in use.calls)]),
        fix=rule.fix,
        paid=union(timeline.spans.start_ns[calls], timeline.spans.end_ns[calls]),
        saves_ns=saves_ns,
    )


def _told(waits: list[WaitUse]) -> str:
    """`8 × cudaDeviceSynchronize at app.py:12 (20.1 ms), …`"""
    return ", ".join(
        f"{len(use.calls):,} × {use.name}{f' at {use.site}' if use.site else ''} ({format_ns(use.stall_ns)})"
        for use in waits
    )
