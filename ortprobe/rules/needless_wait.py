"""The program waits for the GPU, or has a stream wait, where nothing depends on it.

What it is
    `torch.cuda.synchronize()`, `stream.synchronize()`, `event.synchronize()`, `wait_stream` or `wait_event` holds the
    host or a stream up, and everything that was seen would be ordered just as surely without it: by one stream, by
    another wait, or by the wait that ends each run.

Why it matters
    A host that waits launches nothing, and the GPU idles until it has gone on.

Evidence
    The order of all accesses to bound memory (vector clocks over streams and threads), computed with these waits and
    without. torch's own memory is not watched: there, work on any stream counts as read by work on every other, and a
    wait that orders such work is not called needless. Nor is one whose end the host reads copied data behind.

Cost
    How long the host, or work that was already launched, was held up. How much of that the loop would win is told by a
    replay without these waits: often the time moves to the next wait. Below one part in a hundred there is no finding.

Fix
    Leave the wait out, or take the time with events.

When it is wrong
    The wait takes a time, tells the host that memory it maps is complete, or orders a custom kernel that torch does not
    announce. In a program whose accesses race it is not looked for.

Source
    CUDA C++ Programming Guide, "Asynchronous Concurrent Execution".
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.waits.roles import WaitRole
from ortprobe.rules.finding import Outcome, Severity
from ortprobe.rules.races import unhooked
from ortprobe.rules.rule import Rule
from ortprobe.rules.waits import Wording, judge_waits

_FIX = """\
Leave the wait out. Where it takes a time, let the GPU take it and ask once, after the loop:
    + begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    + begin.record()
      session.run_with_iobinding(binding)
    + end.record()
    - torch.cuda.synchronize()
      ...
    + end.synchronize()
    + took_ms = begin.elapsed_time(end)"""


def check(analyses: Analyses) -> Outcome:
    words = Wording(
        role=WaitRole.PROGRAM,
        change=Change.NO_NEEDLESS_WAITS,
        title=lambda waits, stall: f"{waits:,} waits of the program order nothing, and held it up for {stall}",
        meaning="They can all go, as far as the capture shows.",
    )
    return unhooked(analyses) or judge_waits(analyses, RULE, words)


RULE = Rule(code="Y6", name="needless_wait", severity=Severity.WARNING, check=check, fix=_FIX)
