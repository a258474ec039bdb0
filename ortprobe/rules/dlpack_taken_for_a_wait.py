"""Memory was handed over by DLPack, and that was taken for a wait.

What it is
    DLPack hands over an address. ORT's `to_dlpack` and `from_dlpack` order nothing between the streams of the two
    sides.

Why it matters
    The reader sees whatever the memory holds at that moment.

Evidence
    The hook log's address ranges, and of a torch trace of the same runs the launches, events, waits and streams: vector
    clocks over streams and threads find nothing that orders the two accesses, even where every wait that does not say
    what it waits for is taken to wait for everything. Overlap on the device makes it an error; without it the capture
    came out right, which the report says with the slack.

Cost
    None in time; the results are wrong.

Fix
    Wait explicitly, as without DLPack.

When it is wrong
    As with a missing wait before a run.

Source
    DLPack's specification (`__dlpack__(stream=…)`); onnxruntime 1.31.1, `OrtValue.to_dlpack`.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.memory_order import OrderedPair
from ortprobe.rules.finding import Outcome, Severity
from ortprobe.rules.races import Wording, is_input_before_run, is_output_read, judge_pairs
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Timeline

_FIX = """\
Wait explicitly:
    tensor = torch.from_dlpack(value)
    torch.cuda.current_stream().wait_stream(stream)   # stream: the one that writes"""


def check(analyses: Analyses) -> Outcome:
    words = Wording(
        title=lambda raced, total: (
            f"{raced} of {total} reads of memory handed over by DLPack did not wait for its write"
        ),
        meaning="DLPack hands over an address and orders nothing.",
    )
    return judge_pairs(analyses, RULE, _belongs, words)


def _belongs(_timeline: Timeline, pair: OrderedPair) -> bool:
    return (is_input_before_run(pair) or is_output_read(pair)) and pair.second.is_handed_over


RULE = Rule(code="Y9", name="dlpack_taken_for_a_wait", severity=Severity.ERROR, check=check, fix=_FIX)
