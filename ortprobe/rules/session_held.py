"""A session that is not used any more is still held, with its weights and its memory on the GPU.

What it is
    The program made another session of the same model and keeps the earlier one; or it called `set_providers` and goes
    on using an IOBinding that was made before, which keeps the C session alive that it was made for.

Why it matters
    Each session has its own copy of the weights and its own arena. ORT gives neither back before the session is gone.

Evidence
    The hook log: when the program let go of each session, and which bindings it used. A session counts as held when
    another one of the same model was made after its last run, took over, and it was not let go before the capture
    ended. Of a session that was replaced and had a binding nobody used again, it is not known whether the binding is
    still there. A binding that another session was run with is S2's to tell.

Cost
    None in time. The title says how much memory, where the capture shows it.

Fix
    Drop the bindings, the OrtValues and the session before the next one is made.

When it is wrong
    A spare session that the program uses later than the capture saw.

Source
    onnxruntime 1.31.1, `IOBinding.__init__` keeps the C session (from 1.30 on); measured on onnxruntime 1.20.1 to 1.32.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.stale import HeldBy, StaleSession
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import cant_tell, cited, creation_spans, distinct_sites, hook_rows
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Timeline
from ortprobe.units import format_bytes, format_ns

_FIX = """\
Let go of the session, and of what was made of it, before the next one is made:
    + del binding, session
      session = onnxruntime.InferenceSession(path, providers=providers)"""


def check(analyses: Analyses) -> Outcome:
    stale, timeline = analyses.sessions.stale, analyses.timeline
    if stale is None:
        return NotApplicable(why="only the hook log says which sessions the program held", evidence_missing=True)
    if len(timeline.sessions) < 2:
        return NotApplicable(why="the program made no second session", evidence_missing=False)
    if unseen := cant_tell(analyses, Claim.CALLS):
        return unseen
    held = [one for one in stale if _has_useless_binding(timeline, one) or _was_succeeded(timeline, one)]
    if held:
        return _finding(timeline, held)
    perhaps = [one.session for one in stale if one.held_by is HeldBy.PERHAPS_BINDING]
    if perhaps:
        why = f"can't tell whether an IOBinding still holds session {perhaps[0]}, which was replaced"
        return NotApplicable(why=why, evidence_missing=True)
    return Passed()


def _has_useless_binding(timeline: Timeline, one: StaleSession) -> bool:
    """Whether a binding holds it that the program still uses; that it ran another session with it is S2's to say."""
    hooks = timeline.hooks
    bindings = hooks.binding[hook_rows(timeline, "io_binding")]
    mine = bindings[hooks.session[hook_rows(timeline, "io_binding")] == one.session]
    runs = hook_rows(timeline, "run_with_iobinding")
    ran_others = np.isin(hooks.binding[runs], mine) & (hooks.session[runs] != one.session)
    return one.held_by is HeldBy.BINDING and not ran_others.any()


def _was_succeeded(timeline: Timeline, one: StaleSession) -> bool:
    """Whether a later session of the same model took over, and no earlier one ran beside it."""
    sessions, runs = timeline.sessions, timeline.runs
    session = sessions[one.session]
    alike = [each for each in sessions if each.model and each.model == session.model and not each.error]
    alike = [each for each in alike if each.process == session.process]
    if one.held_by is not HeldBy.PROGRAM or not alike or not (runs.session == one.session).any():
        return False
    last = max(alike, key=lambda each: each.start_ns)
    since = runs.session[runs.start_ns >= last.end_ns]
    used = set(np.unique(since).tolist()) & {each.index for each in alike}
    return last.start_ns >= one.since_ns and used == {last.index}


def _finding(timeline: Timeline, held: list[StaleSession]) -> Finding:
    sessions = [timeline.sessions[one.session] for one in held]
    sizes = [one.memory.weight_bytes for one in held if one.memory.weight_bytes is not None]
    weights = f", with {format_bytes(sum(sizes))} of weights" if sizes else ""
    many = "1 session is" if len(held) == 1 else f"{len(held)} sessions are"
    longest_ns = max((one.held_ns or 0 for one in held), default=0)
    by_binding = any(one.held_by is HeldBy.BINDING for one in held)
    why = "an IOBinding that was made before `set_providers`" if by_binding else "the program"
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if by_binding or len(held) > 1 else Severity.INFO,
        title=f"{many} held by {why} and not used any more, for up to {format_ns(longest_ns)}{weights}",
        detail="Another session of the same model took over. What these hold on the GPU is free when they are gone.",
        count=len(held),
        cost_ns=None,
        confidence=Confidence.CERTAIN if by_binding else Confidence.LIKELY,
        where=distinct_sites(session.site for session in sessions),
        evidence=cited([span for session in sessions for span in creation_spans(timeline, session)]),
        fix=_FIX,
    )


RULE = Rule(code="S6", name="session_held", severity=Severity.WARNING, check=check, fix=_FIX)
