"""The wall clock was set while the capture ran.

What it is
    ONNX Runtime's profile and torch's trace count on the wall clock, which a time daemon, an administrator or a virtual
    machine that wakes up can set at any moment.

Why it matters
    What was recorded before and after a step lies apart by it. Steps are found and taken out, but of what lay across
    one nobody knows which side it was on.

Evidence
    The wall clock less the monotonic clock, read around sessions and windows and about once a second. Nothing but a
    step changes it by itself.

Cost
    None: it costs evidence.

Fix
    Capture again, with time daemons slewing only (`chronyd` without `makestep`, `ntpd -x`).

When it is wrong
    Where the step lies outside of what is looked at: the remark on the capture has its time.

Source
    clock_gettime(2); adjtimex(2); `ortprobe/ingest/clocks/steps.py`.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.evidence import cited, spans_of_problem
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import ProblemKind

_FIX = """\
Keep the time daemon from stepping the clock (no `makestep` in chrony.conf, `-x` for ntpd), and capture again."""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    steps = [each for each in analyses.integrity.problems if each.kind is ProblemKind.CLOCK_STEPPED]
    if not steps:
        if not timeline.capture.hooked:
            why = "can't tell, because only a capture of ortprobe reads the clocks"
            return NotApplicable(why=why, evidence_missing=True)
        return Passed()
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title="The wall clock was set while the capture ran",
        detail="Every time in it rests on that clock. The remarks on the capture say when it was and by how much.",
        count=len(steps),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=(),
        evidence=cited([span for each in steps for span in spans_of_problem(timeline, each)]),
        fix=_FIX,
    )


RULE = Rule(code="M4", name="clock_step", severity=Severity.WARNING, check=check, fix=_FIX)
