"""The same kernels take longer after the GPU has been idle.

What it is
    A GPU that has nothing to do lowers its clocks, and needs a while to raise them again when work comes.

Why it matters
    A program that runs once in a while is slower for each request than its benchmark, which runs in a loop. Neither
    onnxruntime nor the program is to blame, and no change to either helps.

Evidence
    How long the kernels of a run took, summed, for runs of one session that launched the same kernels with the same
    grids while nothing else was on the device: those after a pause of the device against those without one. It must
    take a fifth longer, the middle halves must not overlap, and the longer the pause was, the longer it must take (rank
    correlation). How long the host took does not enter.

Cost
    What the kernels after pauses took beyond the median of those in a row.

Fix
    Lock the clocks where that is allowed (`nvidia-smi --lock-gpu-clocks`), or keep the GPU busy with a small run while
    requests are expected. Measure the latency with the pauses that the program really has.

When it is wrong
    Caches are cold after a pause too, which shows in kernels that take a few microseconds. A GPU that another process
    uses now and then is slow for other reasons.

Source
    onnxruntime issues 16135, 17711, 11581, 10226, 23461; of 7449 the maintainers say that ORT has no say in it.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.idle.after_pauses import PAUSE_NS, AfterPauses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, run_span, site_of_run
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import PAUSES_NEEDED, RAMP_CORRELATION, RAMP_RATIO
from ortprobe.units import format_ns

_FIX = """\
Lock the GPU's clocks (`nvidia-smi --lock-gpu-clocks=MIN,MAX`), or keep it awake while requests are expected:
    while serving.is_set():
        session.run_with_iobinding(smallest)
        time.sleep(0.005)"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not len(timeline.device_ops.span):
        # A capture of our own that names no GPU is of a program without one; bare files leave that open.
        missing = bool(timeline.capture.devices) or not timeline.capture.hooked
        return NotApplicable(why="no device work was recorded", evidence_missing=missing)
    if doubtful := cant_tell(analyses, Claim.GPU_TIME, Claim.IDLE):
        return doubtful
    paused = [each for each in analyses.after_pauses if len(each.paused) >= PAUSES_NEEDED]
    if not paused:
        why = f"fewer than {PAUSES_NEEDED} runs with the same kernels came after the GPU was idle for "
        return NotApplicable(why=f"{why}{format_ns(PAUSE_NS)} or more", evidence_missing=False)
    compared = [each for each in paused if len(each.in_a_row) >= PAUSES_NEEDED]
    if not compared:
        why = f"can't tell, because fewer than {PAUSES_NEEDED} of these runs came without a pause, to compare with"
        return NotApplicable(why=why, evidence_missing=True)
    slower = [each for each in compared if _is_slower(each)]
    return _finding(analyses, slower) if slower else Passed()


def _is_slower(group: AfterPauses) -> bool:
    apart = np.percentile(group.paused_ns, 25) > np.percentile(group.in_a_row_ns, 75)
    return bool(apart and _ratio(group) >= RAMP_RATIO and (group.rank_correlation or 0) >= RAMP_CORRELATION)


def _ratio(group: AfterPauses) -> float:
    return float(np.median(group.paused_ns) / np.median(group.in_a_row_ns))


def _finding(analyses: Analyses, slower: list[AfterPauses]) -> Finding:
    worst = max(slower, key=_ratio)
    paused, in_a_row = (format_ns(int(np.median(times_ns))) for times_ns in (worst.paused_ns, worst.in_a_row_ns))
    runs = [int(run) for each in slower for run in each.paused[np.argsort(-each.paused_ns, kind="stable")]]
    return Finding(
        code=RULE.code,
        severity=Severity.INFO,
        title=f"The kernels of a run take {paused} after a pause of the GPU, and {in_a_row} in a row",
        detail=f"Medians over {len(worst.paused)} runs after pauses and {len(worst.in_a_row)} without, with the same "
        f"kernels and grids. The longer the pause, the longer they took (rank correlation "
        f"{worst.rank_correlation or 0:.2f}): the GPU had lowered its clocks.",
        count=len(runs),
        cost_ns=sum(_extra_ns(each) for each in slower),
        confidence=Confidence.LIKELY,
        where=distinct_sites(site_of_run(analyses.timeline, run) for run in runs),
        evidence=cited([run_span(analyses.timeline, run) for run in runs]),
        fix=_FIX,
        over_runs=len(runs),
    )


def _extra_ns(group: AfterPauses) -> int:
    return int(np.maximum(group.paused_ns - int(np.median(group.in_a_row_ns)), 0).sum())


RULE = Rule(code="I2", name="clock_ramp_after_idle", severity=Severity.INFO, check=check, fix=_FIX)
