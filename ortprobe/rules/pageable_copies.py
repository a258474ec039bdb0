"""The loop copies between the GPU and pageable memory of the host.

What it is
    Plain memory of the host can be swapped out, so the driver first copies it into memory of its own that can't be.
    Tensors made with `pin_memory=True` need no such copy.

Why it matters
    Such a copy holds the host up until the data is staged, whatever `non_blocking` says, and is slower on its way.

Evidence
    Copies that a torch trace calls pageable, of more than 64 KiB, inside of the loop; not those that ORT puts between
    nodes.

Cost
    The time of these copies on the device. What the loop would win with pinned memory is told by a replay. Below one
    part in a hundred there is no finding.

Fix
    Keep a pinned buffer for each direction, copy with `non_blocking=True`, and wait once before its data is used.

When it is wrong
    Data that exists as an array already has to be copied into the pinned buffer first, which a thread can do meanwhile.

Source
    CUDA Runtime API, "API synchronization behavior": copies from pageable memory up to 64 KiB return at once.
    Measured with ResNet-50 on an H100: a loop of 2.7 ms takes 2.3 ms with pinned memory.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.placement import memcpy_nodes
from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.path.loop import Loop
from ortprobe.analysis.path.what_if import WhatIf, WhatIfs
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import PAGEABLE_BYTES, PAGEABLE_DEAR_SHARE, PAGEABLE_NEEDED, PAGEABLE_SHARE
from ortprobe.timeline import NONE, Bools, Int64s, Kind, ProblemKind, Timeline
from ortprobe.units import format_bytes, format_ns, format_ratio

_FIX = """\
Copy through pinned memory, and wait once:
    + host = torch.empty(shape, pin_memory=True)
      for batch in batches:
    -     x.copy_(batch)
    +     host.copy_(batch)
    +     x.copy_(host, non_blocking=True)"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if any(problem.kind is ProblemKind.NO_GPU_TRACE for problem in timeline.problems):
        why = "no trace says what was copied"
        return NotApplicable(why=why, evidence_missing=bool(timeline.capture.devices) or not timeline.capture.hooked)
    if unsure := cant_tell(analyses, Claim.GPU_TIME):
        return unsure
    loop = analyses.what_ifs
    if loop is None:
        return NotApplicable(why="no loop was watched that could be replayed", evidence_missing=True)
    changed = loop.of_change(Change.PINNED_MEMORY)
    copies = _of_loop(timeline, _pageable(timeline), loop.loop)
    if changed is None or len(copies) < PAGEABLE_NEEDED or _saved(loop, changed) < PAGEABLE_SHARE:
        return Passed()
    return _finding(timeline, copies, loop, changed)


def _saved(loop: WhatIfs, changed: WhatIf) -> float:
    return 1 - changed.pace_ns / loop.pace_ns


def _pageable(timeline: Timeline) -> Int64s:
    """Copies from and to pageable memory that are large enough to matter, outside of nodes."""
    ops, links = timeline.device_ops, timeline.links
    named = [number for number, name in enumerate(timeline.names) if "Pageable" in name]
    chosen = np.isin(timeline.spans.name[ops.span], named) & (timeline.spans.kind[ops.span] == Kind.MEMCPY)
    chosen &= (ops.size_bytes > PAGEABLE_BYTES) & (links.node[ops.span] == NONE)
    copies: Int64s = ops.span[chosen & ~_may_be_of_nodes(timeline)].astype(np.int64)
    return copies


def _may_be_of_nodes(timeline: Timeline) -> Bools:
    """Whether a copy is from a run of a session with Memcpy nodes, of which it may be one's."""
    run, nodes = timeline.links.run[timeline.device_ops.span], timeline.nodes
    sessions = np.unique(nodes.session[memcpy_nodes(timeline)])
    of_session = np.isin(np.append(timeline.runs.session, NONE)[run], sessions)
    return np.asarray((run != NONE) & of_session, np.bool_)


def _of_loop(timeline: Timeline, copies: Int64s, loop: Loop) -> Int64s:
    """Those that were launched between the start and the end of the loop."""
    launch = timeline.links.launch[copies]
    launched_ns = timeline.spans.start_ns[np.where(launch == NONE, copies, launch)]
    return copies[(launched_ns >= loop.start_ns) & (launched_ns < loop.end_ns)]


def _finding(timeline: Timeline, copies: Int64s, loop: WhatIfs, changed: WhatIf) -> Finding:
    spans, runs = timeline.spans, len(loop.loop.runs)
    spent_ns = int((spans.end_ns[copies] - spans.start_ns[copies]).sum())
    size_bytes = int(timeline.device_ops.size_bytes[np.isin(timeline.device_ops.span, copies)].sum())
    saved = format_ratio(loop.pace_ns - changed.pace_ns, loop.pace_ns)
    sites = np.append(timeline.hooks.site, NONE)[timeline.links.hook[copies]].tolist()
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if _saved(loop, changed) >= PAGEABLE_DEAR_SHARE else Severity.INFO,
        title=f"{len(copies):,} copies in {runs:,} runs are from or to pageable memory; pinned memory would save "
        f"{saved} of a run's time",
        detail=f"{format_bytes(size_bytes)} took {format_ns(spent_ns)} on the device. A run with all that is around it "
        f"takes {format_ns(loop.pace_ns)}. By a replay of the loop it would take {format_ns(changed.pace_ns)} with "
        f"pinned memory, and between {format_ns(changed.low_ns)} and {format_ns(changed.high_ns)} by what the replay "
        "does not know.",
        count=len(copies),
        cost_ns=spent_ns,
        confidence=Confidence.LIKELY,
        where=distinct_sites(timeline.site_at(site) for site in sites),
        evidence=cited(copies.tolist()),
        fix=_FIX,
        over_runs=runs,
        paid=stretches(zip(spans.start_ns[copies].tolist(), spans.end_ns[copies].tolist(), strict=True)),
        saves_ns=(loop.pace_ns - changed.pace_ns) * len(timeline.runs),
    )


RULE = Rule(code="B8", name="pageable_copies", severity=Severity.WARNING, check=check, fix=_FIX)
