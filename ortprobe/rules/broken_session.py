"""`set_providers` failed, and the session can't run any more.

What it is
    `set_providers` drops the old C session before it makes the new one. When making it raises (a bad option, an unknown
    provider, a model file that moved), the Python object is left without a session.

Why it matters
    Every later call fails with `AttributeError: 'NoneType' object has no attribute …`, far from the cause.

Evidence
    A hooked `set_providers` that raised.

Cost
    None in time: the program can't go on with this session.

Fix
    Make a new `InferenceSession`, and don't go on with this one. Check provider names with
    `onnxruntime.get_available_providers()` first.

When it is wrong
    A program that catches the error and makes a new session is fine; the finding still shows what it tried.

Source
    onnxruntime 1.31.1, run: a failed `set_providers` leaves `session._sess` None; `_reset_session` has no way back.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.evidence import cited, distinct_sites, hook_rows, passed_unless_unseen, site_of_hook
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Creation

_FIX = """\
Don't go on with a session whose `set_providers` raised; make another:
    session = onnxruntime.InferenceSession(path, options, providers=[...])"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says whether `set_providers` raised", evidence_missing=True)
    calls = hook_rows(timeline, "set_providers")
    if not len(calls):
        return NotApplicable(why="the program did not call `set_providers`", evidence_missing=False)
    failed = [int(row) for row in calls if timeline.hooks.failed[row]]
    if not failed:
        return passed_unless_unseen(analyses)
    errors = dict.fromkeys(
        session.error for session in timeline.sessions if session.error and session.creation is Creation.SET_PROVIDERS
    )
    times = "once" if len(failed) == 1 else f"{len(failed)} times"
    return Finding(
        code=RULE.code,
        severity=Severity.ERROR,
        title=f"`set_providers` raised {times} and left its session unable to run",
        detail=" ".join(["The old session was gone before the new one was made.", *errors]),
        count=len(failed),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_hook(timeline, row) for row in failed),
        evidence=cited([int(timeline.hooks.span[row]) for row in failed]),
        fix=_FIX,
    )


RULE = Rule(code="S5", name="broken_session", severity=Severity.ERROR, check=check, fix=_FIX)
