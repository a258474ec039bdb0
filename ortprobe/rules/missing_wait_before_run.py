"""A run began before what it reads had been written: nothing makes ORT's stream wait for torch's.

What it is
    `copy_` into a bound input is queued on torch's current stream and returns at once. ORT runs on a non-blocking
    stream of its own, which is not ordered with torch's default stream. Without a wait between them, the run reads
    whatever the input holds at that moment.

Why it matters
    Results are wrong, silently: with other work queued before the copy, 40 of 40 outputs on an H100.

Evidence
    The hook log's address ranges, and of a torch trace of the same runs the launches, events, waits and streams: vector
    clocks over streams and threads find nothing that orders the two accesses, even where every wait that does not say
    what it waits for is taken to wait for everything. Overlap on the device makes it an error; without it the capture
    came out right, which the report says with the slack.

Cost
    None in time; the results are wrong.

Fix
    Make the run's stream wait for the writing one, or give ORT the stream that torch uses.

When it is wrong
    A model whose first kernels don't read the input that was still being written, or a write of some of its bytes that
    the model does not use: the two are not ordered all the same. Waits through CUDA calls that leave no record (other
    processes, external semaphores) are not seen.

Source
    ORT issues 11875, 26609, 32673; ORT 1.31.1 `CUDAStreamHandle` (cudaStreamNonBlocking); measured with
    onnxruntime-gpu 1.31.1 and torch 2.11 on an H100.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.memory_order import OrderedPair
from ortprobe.rules.finding import Outcome, Severity
from ortprobe.rules.races import Wording, has_user_stream, is_input_before_run, judge_pairs
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Timeline

_FIX = """\
Wait for the writing stream before the run:
    + torch.cuda.current_stream().synchronize()
      session.run_with_iobinding(binding)
or, without stopping the host, give ORT a stream of torch's and order the two:
    + stream = torch.cuda.Stream()
      session = onnxruntime.InferenceSession(path, providers=[
    -     "CUDAExecutionProvider", "CPUExecutionProvider"])
    +     ("CUDAExecutionProvider", {"user_compute_stream": str(stream.cuda_stream)}), "CPUExecutionProvider"])
and around each run:
    + stream.wait_stream(torch.cuda.current_stream())
      session.run_with_iobinding(binding)
    + torch.cuda.current_stream().wait_stream(stream)   # before using the outputs"""


def check(analyses: Analyses) -> Outcome:
    words = Wording(
        title=lambda raced, total: (
            f"{raced} of {total} inputs were read without a wait for their write: the results can't be trusted"
        ),
        meaning="The run reads whatever the input holds at that moment.",
    )
    return judge_pairs(analyses, RULE, _belongs, words)


def _belongs(timeline: Timeline, pair: OrderedPair) -> bool:
    return (
        is_input_before_run(pair) and not has_user_stream(timeline, pair.second.run) and not pair.second.is_handed_over
    )


RULE = Rule(code="Y1", name="missing_wait_before_run", severity=Severity.ERROR, check=check, fix=_FIX)
