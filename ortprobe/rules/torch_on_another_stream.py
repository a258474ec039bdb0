"""ORT was given a stream of the program's, and torch writes the input on another one without a wait.

What it is
    `user_compute_stream` makes ORT run on that stream. It orders nothing by itself: torch goes on working on its
    current stream, which is another one unless the program says `with torch.cuda.stream(stream)`.

Why it matters
    The run reads whatever the input holds at that moment, as if no stream had been given.

Evidence
    The hook log's address ranges, and of a torch trace of the same runs the launches, events, waits and streams: vector
    clocks over streams and threads find nothing that orders the two accesses, even where every wait that does not say
    what it waits for is taken to wait for everything. Overlap on the device makes it an error; without it the capture
    came out right, which the report says with the slack.

Cost
    None in time; the results are wrong.

Fix
    Work on the given stream, or make it wait for the one that writes.

When it is wrong
    As with a missing wait before a run.

Source
    torch's documentation of `torch.cuda.stream`; measured with onnxruntime-gpu 1.31.1 on an H100.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.memory_order import OrderedPair
from ortprobe.rules.finding import Outcome, Severity
from ortprobe.rules.races import Wording, has_user_stream, is_input_before_run, judge_pairs
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Timeline

_FIX = """\
Write the input on the stream that ORT was given:
    - x.copy_(batch)
    - session.run_with_iobinding(binding)
    + with torch.cuda.stream(stream):
    +     x.copy_(batch)
    +     session.run_with_iobinding(binding)
or make that stream wait for the one that writes:
      x.copy_(batch)
    + stream.wait_stream(torch.cuda.current_stream())
      session.run_with_iobinding(binding)"""


def check(analyses: Analyses) -> Outcome:
    words = Wording(
        title=lambda raced, total: (
            f"{raced} of {total} inputs were written on another stream than the one given to ORT, without a wait"
        ),
        meaning="Giving ORT a stream orders nothing by itself.",
    )
    return judge_pairs(analyses, RULE, _belongs, words)


def _belongs(timeline: Timeline, pair: OrderedPair) -> bool:
    return is_input_before_run(pair) and has_user_stream(timeline, pair.second.run) and not pair.second.is_handed_over


RULE = Rule(code="Y3", name="torch_on_another_stream", severity=Severity.ERROR, check=check, fix=_FIX)
