"""ORT built the session again by itself, with fewer providers, after a provider failed.

What it is
    When making a session with the providers asked for fails, the constructor prints "EP Error … Falling back" and tries
    again with others. `run` does the same when a provider reports a failure: it re-creates the session on the fallback
    providers and runs once more. Nothing is raised.

Why it matters
    From then on every run is as slow as the fallback is, usually the CPU, and the re-creation is paid in the middle.

Evidence
    A creation that no line of the program asked for, as the hooks saw it.

Cost
    The creations themselves. How much slower later runs are depends on the provider that was lost.

Fix
    Call `session.disable_fallback()` after making the session, so that the failure is raised, and repair what the
    printed error names.

When it is wrong
    A program that means to run on whatever there is; then this says on what it really ran.

Source
    onnxruntime 1.31.1, `onnxruntime_inference_collection.py`, `InferenceSession.__init__` and `Session.run`.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.session_lives import SessionLife
from ortprobe.rules.evidence import cited, creation_spans, distinct_sites, passed_unless_unseen
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.session_recreated import creation_time
from ortprobe.timeline import Creation
from ortprobe.units import format_ns

_FIX = """\
Let the failure be raised, and repair what it names:
    session.disable_fallback()"""


def check(analyses: Analyses) -> Outcome:
    if not analyses.timeline.capture.hooked:
        return NotApplicable(why="only the hook log says why a session was made", evidence_missing=True)
    lives = analyses.sessions.lives
    if not lives:
        return NotApplicable(why="the program made no session", evidence_missing=False)
    fallbacks = [life for life in lives if life.session.creation is Creation.FALLBACK]
    return _finding(analyses, fallbacks) if fallbacks else passed_unless_unseen(analyses)


def _finding(analyses: Analyses, fallbacks: list[SessionLife]) -> Finding:
    last = fallbacks[-1].session
    cost_ns = sum((life.creation_ns or 0) + (life.first_runs.excess_ns or 0) for life in fallbacks)
    times = "once" if len(fallbacks) == 1 else f"{len(fallbacks)} times"
    runs_on = f"; it runs on {', '.join(last.providers)} since" if last.providers else ""
    errors = dict.fromkeys(life.session.error for life in analyses.sessions.lives if life.session.error)
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"ORT fell back to other providers by itself {times}, which cost {format_ns(cost_ns)}{runs_on}",
        detail=" ".join(
            ["A provider failed, and ORT printed that and went on.", *(f"It said: {text}" for text in errors)]
        ),
        count=len(fallbacks),
        cost_ns=cost_ns,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(life.session.site for life in fallbacks),
        evidence=cited([span for life in fallbacks for span in creation_spans(analyses.timeline, life.session)]),
        fix=_FIX,
        paid=creation_time(analyses, fallbacks),
    )


RULE = Rule(code="S4", name="hidden_fallback", severity=Severity.WARNING, check=check, fix=_FIX)
