"""A run began before what it reads had been written: nothing makes ORT's stream wait for torch's.

What it is
    `copy_` into a bound input is queued on torch's current stream and returns at once. ORT runs on a non-blocking
    stream of its own, which is not ordered with torch's default stream. Without a wait between them, the run reads
    whatever the input holds at that moment.

Why it matters
    Results are wrong, silently: with other work queued before the copy, 40 of 40 outputs on an H100.

Evidence
    The hook log's address ranges of bound inputs and of writes, and a torch trace of the same runs: the write's device
    work ends after the run's first device work began, copies from the host and fills aside, and no order between the
    two is seen. That overlap needs no further proof. Writes that ended in time count as ordered only where the order
    itself was seen.

Cost
    None in time; the results are wrong.

Fix
    Make the run's stream wait for the writing one, or give ORT the stream that torch uses.

When it is wrong
    A model whose first kernels don't read the input that was still being written: the run as a whole still overlaps
    its input's write, and is right only as long as nothing gets faster.

Source
    ORT issues 11875, 26609, 32673; ORT 1.31.1 `CUDAStreamHandle` (cudaStreamNonBlocking); measured with
    onnxruntime-gpu 1.31.1 and torch 2.11 on an H100.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.input_order import InputWrite, Order, has_device_bindings
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, run_span, site_of_hook, site_of_run
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import ProblemKind
from ortprobe.units import format_ns

_FIX = """\
Wait for the writing stream before the run:
    torch.cuda.current_stream().synchronize()
    session.run_with_iobinding(binding)
or, without stopping the host, give ORT a stream of torch's and order the two:
    stream = torch.cuda.Stream()
    session = onnxruntime.InferenceSession(path, providers=[
        ("CUDAExecutionProvider", {"user_compute_stream": str(stream.cuda_stream)}), "CPUExecutionProvider"])
    stream.wait_stream(torch.cuda.current_stream())   # before each run
    session.run_with_iobinding(binding)
    torch.cuda.current_stream().wait_stream(stream)   # before using the outputs"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if blind := _blind(analyses):
        return blind
    writes = analyses.races.writes
    overlaps = [write for write in writes if write.order is Order.OVERLAP]
    unseen = sum(write.order is Order.UNSEEN for write in writes)
    if overlaps:
        return _finding(analyses, overlaps, unseen)
    if unseen:
        why = f"{unseen} of {len(writes)} writes to inputs ended in time, and nothing that was seen makes it so"
        return NotApplicable(why=why, evidence_missing=True)
    if not writes:
        bound = has_device_bindings(timeline)
        why = "no write to a bound input was seen" if bound else "the program bound no inputs on a device"
        return NotApplicable(why=why, evidence_missing=bound)
    return Passed()


def _blind(analyses: Analyses) -> NotApplicable | None:
    """Why this capture can't show an order, or has none to show."""
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says which buffers were bound and written", evidence_missing=True)
    if any(problem.kind is ProblemKind.NO_GPU_TRACE for problem in timeline.problems):
        why = "there is no device work to order: on the CPU every call is complete when it returns"
        return NotApplicable(why=why, evidence_missing=bool(timeline.capture.devices))
    return cant_tell(analyses, Claim.ORDER)


def _finding(analyses: Analyses, overlaps: list[InputWrite], unseen: int) -> Finding:
    timeline, total = analyses.timeline, len({write.run for write in analyses.races.writes})
    worst = min(overlaps, key=lambda write: write.slack_ns)
    runs = {write.run for write in overlaps}
    more = "1 more write" if unseen == 1 else f"{unseen} more writes"
    latent = f" {more} ended in time without anything that was seen to make it so." if unseen else ""
    return Finding(
        code=RULE.code,
        severity=Severity.ERROR,
        title=f"{len(runs)} of {total} runs began before their input was written: their results can't be trusted",
        detail=f"Nothing makes onnxruntime's stream wait for the write of '{worst.buffer}'. The worst run began "
        f"{format_ns(-worst.slack_ns)} before the write had ended.{latent}",
        count=len(runs),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(
            site
            for write in overlaps
            for site in (site_of_run(timeline, write.run), site_of_hook(timeline, write.write_hook))
        ),
        evidence=cited([worst.write_span, worst.first_span, run_span(timeline, worst.run)]),
        fix=_FIX,
    )


RULE = Rule(code="Y1", name="missing_wait_before_run", severity=Severity.ERROR, check=check)
