"""An output was read before the run that writes it was done.

What it is
    With `disable_synchronize_execution_providers` a run returns while the GPU still works on it. torch reads the
    output on its own stream, which does not wait for ORT's.

Why it matters
    What is read is the output of an earlier run, or half of this one's.

Evidence
    The hook log's address ranges, and of a torch trace of the same runs the launches, events, waits and streams: vector
    clocks over streams and threads find nothing that orders the two accesses, even where every wait that does not say
    what it waits for is taken to wait for everything. Overlap on the device makes it an error; without it the capture
    came out right, which the report says with the slack.

Cost
    None in time; the results are wrong.

Fix
    Make the reading stream wait for ORT's, or leave the option away.

When it is wrong
    Outputs whose memory ORT allocates are seen only where the program asks for them.

Source
    onnxruntime_run_options_config_keys.h; measured with onnxruntime-gpu 1.31.1 on an H100.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.memory_order import OrderedPair
from ortprobe.rules.finding import Outcome, Severity
from ortprobe.rules.races import Wording, is_output_read, judge_pairs
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Timeline

_FIX = """\
Make the reading stream wait for the one that ORT was given:
      session.run_with_iobinding(binding, options)
    + torch.cuda.current_stream().wait_stream(stream)
      result = output.clone()
or read on that stream:
    - result = output.clone()
    + with torch.cuda.stream(stream):
    +     result = output.clone()"""


def check(analyses: Analyses) -> Outcome:
    words = Wording(
        title=lambda raced, total: f"{raced} of {total} outputs were read without a wait for the run that writes them",
        meaning="The read may see the output of an earlier run.",
    )
    return judge_pairs(analyses, RULE, _belongs, words)


def _belongs(_timeline: Timeline, pair: OrderedPair) -> bool:
    return is_output_read(pair) and not pair.second.is_handed_over


RULE = Rule(code="Y4", name="output_read_too_early", severity=Severity.ERROR, check=check, fix=_FIX)
