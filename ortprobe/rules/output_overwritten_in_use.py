"""A run writes its output over one that is still in use.

What it is
    A bound output has one memory for all runs. What reads it on torch's stream, a `clone` for instance, is queued and
    may not have run when the next run writes there on ORT's stream.

Why it matters
    What was read for one round is the output of the next.

Evidence
    The hook log's address ranges, and of a torch trace of the same runs the launches, events, waits and streams: vector
    clocks over streams and threads find nothing that orders the two accesses, even where every wait that does not say
    what it waits for is taken to wait for everything. Overlap on the device makes it an error; without it the capture
    came out right, which the report says with the slack.

Cost
    None in time; the results are wrong.

Fix
    Make ORT's stream wait for the reader, or bind two outputs in turn.

When it is wrong
    A model that writes its output at its very end is far behind the reader, as a rule: then the finding says that it
    came out right.

Source
    ORT's IOBinding documentation; measured with onnxruntime-gpu 1.31.1 on an H100.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.memory_order import OrderedPair
from ortprobe.rules.finding import Outcome, Severity
from ortprobe.rules.races import Wording, is_output_overwritten, judge_pairs
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Timeline

_FIX = """\
Make the next run wait for what reads the output:
      result = output.clone()
    + stream.wait_stream(torch.cuda.current_stream())   # stream: the one that ORT was given
      session.run_with_iobinding(binding)
With ORT's own stream the host has to wait:
      result = output.clone()
    + torch.cuda.current_stream().synchronize()
      session.run_with_iobinding(binding)"""


def check(analyses: Analyses) -> Outcome:
    words = Wording(
        title=lambda raced, total: (
            f"{raced} of {total} times a run overwrote an output without a wait for what was using it"
        ),
        meaning="The reader may see the output of the next run.",
    )
    return judge_pairs(analyses, RULE, _belongs, words)


def _belongs(_timeline: Timeline, pair: OrderedPair) -> bool:
    return is_output_overwritten(pair)


RULE = Rule(code="B1", name="output_overwritten_in_use", severity=Severity.ERROR, check=check, fix=_FIX)
