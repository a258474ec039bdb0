"""The inputs of a session go on having sizes that they never had.

What it is
    Every few runs an input has another size: batches as large as what happened to wait, images as they come.

Why it matters
    For each new shape convolutions look for an algorithm (F2), the memory arena may grow (F4), and no CUDA graph can be
    replayed. Warming up does not end it.

Evidence
    The bytes of what was bound or handed over for each run that the hooks saw, or the shapes in ORT's profile,
    whichever is known of more runs: how many of the later half are of a size that no earlier run had.

Cost
    Not stated: what new shapes cost is told by F2 and F4.

Fix
    Pad or bucket inputs to a few sizes.

When it is wrong
    Where nothing in the model depends on the size, new ones cost little; so this is information. A capture that ends
    before all sizes were seen once can't tell many sizes from no end of them.

Source
    ORT issues 6978, 17443, 14474.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.input_sizes import InputSizes
from ortprobe.rules.evidence import cited, distinct_sites, on_gpu, passed_unless_unseen, run_span, site_of_run
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import SIZES_NEEDED, UNBOUNDED_SHARE, UNBOUNDED_SIZES
from ortprobe.units import format_ratio

_FIX = """\
Pad inputs to one of a few sizes, and take the rows that count from the output:
    + size = next(size for size in (1, 2, 4, 8, 16, 32) if size >= len(batch))
    + batch = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)])
      output = session.run(None, {name: batch})[0]"""


def check(analyses: Analyses) -> Outcome:
    sizes = [each for each in analyses.input_sizes if on_gpu(analyses.timeline, each.session)]
    if not sizes:
        return NotApplicable(why="no session ran on a GPU", evidence_missing=False)
    known = [each for each in sizes if len(each.runs) >= SIZES_NEEDED]
    if not known:
        why = f"of no session the input sizes of {SIZES_NEEDED} runs are known"
        return NotApplicable(why=why, evidence_missing=True)
    growing = [each for each in known if _is_growing(each)]
    return _finding(analyses, growing) if growing else passed_unless_unseen(analyses)


def _later_share(sizes: InputSizes) -> float:
    later = sizes.is_new[len(sizes.is_new) // 2 :]
    return float(later.mean()) if len(later) else 0.0


def _is_growing(sizes: InputSizes) -> bool:
    return sizes.distinct >= UNBOUNDED_SIZES and _later_share(sizes) >= UNBOUNDED_SHARE


def _finding(analyses: Analyses, growing: list[InputSizes]) -> Finding:
    worst = max(growing, key=_later_share)
    runs = [run for each in growing for run in each.runs[each.is_new].tolist()]
    timeline = analyses.timeline
    return Finding(
        code=RULE.code,
        severity=Severity.INFO,
        title=f"Inputs had {worst.distinct} different sizes in {len(worst.runs)} runs, and there is no end of new ones",
        detail=f"Of the later half of the runs, {format_ratio(_later_share(worst), 1)} had inputs of a size that no "
        "run before had.",
        count=len(runs),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_run(timeline, run) for run in runs),
        evidence=cited([run_span(timeline, run) for run in runs]),
        fix=_FIX,
    )


RULE = Rule(code="F3", name="unbounded_shapes", severity=Severity.INFO, check=check, fix=_FIX)
