"""Each run ends by waiting for whatever torch has queued on the default stream.

What it is
    onnxruntime ends a run with two waits: for the legacy default stream, which is torch's default stream, and for its
    own. What torch has queued there after the input is waited for too, though the run has nothing to do with it.

Why it matters
    A run that is done comes back late, and the next one is launched late.

Evidence
    The first of the two waits at the end of runs found work unfinished that is not the run's own; and without it the
    order of all accesses (vector clocks over streams and threads) is as sure as with it.

Cost
    How long these waits stalled, and by a replay of the loop without them what a run would win.

Fix
    Give the session a stream of the program's: then it waits for that one alone. Or queue torch's other work on a
    stream that is not the default one.

When it is wrong
    The host relies on a run's return to know that torch's earlier work is complete as well, for memory that it maps or
    for a time that it takes.

Source
    onnxruntime 1.31.1, `cudaStreamSynchronize` twice at the end of `model_run`, measured on an H100.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.waits.roles import WaitRole
from ortprobe.rules.finding import Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.waits import Wording, judge_waits

_FIX = """\
Run on a stream of the program's:
    + stream = torch.cuda.Stream()
      session = onnxruntime.InferenceSession(path, providers=[
    -     "CUDAExecutionProvider", "CPUExecutionProvider"])
    +     ("CUDAExecutionProvider", {"user_compute_stream": str(stream.cuda_stream)}), "CPUExecutionProvider"])
and order it with torch's by waits on the GPU:
    + stream.wait_stream(torch.cuda.current_stream())
      session.run_with_iobinding(binding)
    + torch.cuda.current_stream().wait_stream(stream)"""


def check(analyses: Analyses) -> Outcome:
    words = Wording(
        role=WaitRole.RUN_END_LEGACY,
        change=Change.NO_LEGACY_WAITS,
        title=lambda waits, stall: (
            f"{waits:,} runs ended by waiting for torch's work on the default stream, {stall} in all"
        ),
        meaning="The runs' own work was not what was waited for.",
    )
    return judge_waits(analyses, RULE, words)


RULE = Rule(code="Y7", name="run_waits_for_torch", severity=Severity.WARNING, check=check, fix=_FIX)
