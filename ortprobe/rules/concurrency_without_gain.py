"""Several threads run at once, and all their work goes through one stream, one piece after another.

What it is
    Threads run sessions at the same time that compute on one stream: the one that was given to all of them as
    `user_compute_stream`, or that of one session. A stream executes one piece of work after the other, and each run
    waits at its end for all that is on it, the others' work included.

Why it matters
    Latency grows with every thread and throughput does not.

Evidence
    The streams of the device work of each session's runs, in the windows of torch's profiler, and the calls of runs
    that overlap. What a run takes beside others against what it takes alone tells what was gained: where nothing ran
    alone, only that the work is serial is known.

Cost
    The time in which runs were in flight together, less what their work takes one after another. Where that is not
    less, or not known, none is stated.

Fix
    Put what the threads run into one batch. Or give each thread a session with a stream of its own, where the GPU has
    room for several runs at once.

When it is wrong
    One thread can prepare a run while another's is on the GPU, and so hide the host's work: where that shows as a gain,
    there is no finding. Runs beside others may differ from those alone in their shapes.

Source
    onnxruntime issues 12049, 11047, 20494, 15202, 18806; CUDA C++ Programming Guide, "Streams".
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.runs.concurrency import Concurrency, concurrency_of
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.concurrency import gained, loss_of, overlapping, told
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, run_span, site_of_run
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.silent_cpu import GPU_PROVIDERS
from ortprobe.rules.thresholds import CONCURRENT_RUNS
from ortprobe.timeline import NONE, Bools

Stream = tuple[int, int]
"""(device, CUPTI stream id)."""

_FIX = """\
Put what the threads have into one batch:
    outputs = session.run(None, {"x": np.concatenate(inputs)})
Or, where the GPU has room for several runs at once, give each thread a session with a stream of its own:
    + stream = torch.cuda.Stream()
    + options = {"user_compute_stream": str(stream.cuda_stream)}
    + session = onnxruntime.InferenceSession(path, providers=[("CUDAExecutionProvider", options)])"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    on_gpu = _on_gpu(analyses)
    if not overlapping(analyses, on_gpu):
        return NotApplicable(why="no two runs on a GPU were in flight at once", evidence_missing=False)
    if doubtful := cant_tell(analyses, Claim.LATENCY):
        return doubtful
    streams = _streams(analyses)
    if not streams:
        why = "can't tell, because no trace says on which streams the runs worked"
        return NotApplicable(why=why, evidence_missing=True)
    shared = []
    for stream in {only for only, *more in streams.values() if not more}:
        sessions = [session for session, used in streams.items() if used == [stream]]
        shared.append(concurrency_of(timeline, analyses.runs, on_gpu & np.isin(timeline.runs.session, sessions)))
    serial = [each for each in shared if len(each.runs) >= CONCURRENT_RUNS and not gained(each)]
    return _finding(analyses, max(serial, key=lambda each: len(each.runs))) if serial else Passed()


def _on_gpu(analyses: Analyses) -> Bools:
    """Runs of sessions with a provider for GPUs, or with device work."""
    timeline = analyses.timeline
    run = timeline.links.run[timeline.device_ops.span]
    sessions = {each.index for each in timeline.sessions if set(each.providers) & set(GPU_PROVIDERS)}
    sessions |= set(timeline.runs.session[run[run != NONE]].tolist()) - {NONE}
    return np.isin(timeline.runs.session, list(sessions))


def _streams(analyses: Analyses) -> dict[int, list[Stream]]:
    """The streams that the steady runs of each session had work on."""
    timeline, ops = analyses.timeline, analyses.timeline.device_ops
    run = timeline.links.run[ops.span]
    kept = run != NONE
    kept[kept] = analyses.runs.steady[run[kept]] & (timeline.runs.session[run[kept]] != NONE)
    columns = timeline.runs.session[run[kept]], ops.device[kept], ops.stream[kept]
    found: dict[int, list[Stream]] = {}
    for session, device, stream in dict.fromkeys(zip(*(column.tolist() for column in columns), strict=True)):
        found.setdefault(session, []).append((device, stream))
    return found


def _finding(analyses: Analyses, serial: Concurrency) -> Finding:
    timeline, runs = analyses.timeline, serial.runs.tolist()
    loss_ns = loss_of(serial)
    sessions = len(np.unique(timeline.runs.session[serial.runs]))
    of = "1 session" if sessions == 1 else f"{sessions} sessions"
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if loss_ns else Severity.INFO,
        title=f"{len(runs):,} runs of {of} were in flight beside others, up to {serial.most} at once, on one stream",
        detail="A stream executes one piece of work after the other, so these runs waited for one another. "
        f"{told(serial)}",
        count=len(runs),
        cost_ns=loss_ns,
        confidence=Confidence.LIKELY,
        where=distinct_sites(site_of_run(timeline, run) for run in runs),
        evidence=cited([run_span(timeline, run) for run in runs]),
        fix=_FIX,
        over_runs=len(runs),
    )


RULE = Rule(code="C1", name="concurrency_without_gain", severity=Severity.WARNING, check=check, fix=_FIX)
