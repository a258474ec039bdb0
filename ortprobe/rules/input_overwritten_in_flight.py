"""An input was refilled, or its memory used for something else, while a run that reads it was in flight.

What it is
    A run that does not wait at its end still reads its inputs when it returns. A `copy_` for the next round on another
    stream, or a freed tensor whose memory torch gives to another one, overwrites them.

Why it matters
    The run computes on a mixture of two inputs.

Evidence
    The hook log's address ranges, and of a torch trace of the same runs the launches, events, waits and streams: vector
    clocks over streams and threads find nothing that orders the two accesses, even where every wait that does not say
    what it waits for is taken to wait for everything. Overlap on the device makes it an error; without it the capture
    came out right, which the report says with the slack.

Cost
    None in time; the results are wrong.

Fix
    Make the writing stream wait for the run, use two buffers in turn, or tell the allocator with `record_stream`.

When it is wrong
    A model that has long read the input when the run is near its end: the whole run counts as reading.

Source
    torch's documentation of `Tensor.record_stream`; ORT's `disable_synchronize_execution_providers`.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.memory_order import OrderedPair
from ortprobe.rules.finding import Outcome, Severity
from ortprobe.rules.races import Wording, is_input_overwritten, judge_pairs
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Timeline

_FIX = """\
Make the stream that refills the input wait for the run:
    + torch.cuda.current_stream().wait_stream(stream)   # stream: the one that ORT was given
      x.copy_(next_batch)
A tensor that is freed while ORT reads it has to be known to be in use there:
    + x.record_stream(stream)
      session.run_with_iobinding(binding)"""


def check(analyses: Analyses) -> Outcome:
    words = Wording(
        title=lambda raced, total: f"{raced} of {total} writes to inputs did not wait for the run that reads them",
        meaning="The run may read what was written for the next one.",
    )
    return judge_pairs(analyses, RULE, _belongs, words)


def _belongs(_timeline: Timeline, pair: OrderedPair) -> bool:
    return is_input_overwritten(pair)


RULE = Rule(code="Y5", name="input_overwritten_in_flight", severity=Severity.ERROR, check=check, fix=_FIX)
