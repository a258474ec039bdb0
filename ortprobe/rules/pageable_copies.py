"""The loop copies between the GPU and pageable memory of the host.

What it is
    Plain memory of the host can be swapped out, so the driver first copies it into memory of its own that can't be.
    Tensors made with `pin_memory=True` need no such copy.

Why it matters
    Such a copy holds the host up until the data is staged, whatever `non_blocking` says, and is slower on its way.

Evidence
    Copies that a torch trace calls pageable, of more than 64 KiB, made over and over by one line; not those that make a
    session, nor those that ORT puts between nodes.

Cost
    The time of these copies on the device. What the loop would win with pinned memory is told by a replay, where there
    is one.

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
from ortprobe.analysis.hooked_calls import SESSION_HOOKS
from ortprobe.analysis.nodes.placement import memcpy_nodes
from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import PAGEABLE_BYTES, PAGEABLE_DEAR_SHARE, PAGEABLE_NEEDED, PAGEABLE_SHARE
from ortprobe.timeline import NONE, Bools, Int64s, Kind, ProblemKind, Timeline
from ortprobe.timeline.groups import rows_by_value
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
    copies = _in_loops(timeline, _pageable(timeline))
    if not len(copies):
        return Passed()
    spent_ns = int((timeline.spans.end_ns[copies] - timeline.spans.start_ns[copies]).sum())
    loop, saves_ns = analyses.what_ifs, None
    changed = loop.of_change(Change.PINNED_MEMORY) if loop else None
    pace_ns = analyses.runs.period.median_ns or analyses.runs.median_ns
    runs = int((timeline.runs.attached & 2 > 0).sum()) or len(timeline.runs)
    if not pace_ns:
        return NotApplicable(why="too few runs were recorded to know what share the copies take", evidence_missing=True)
    worth = spent_ns / (pace_ns * runs)
    if loop is not None and changed is not None:
        worth = max(1 - changed.pace_ns / loop.pace_ns, 0.0)
        saves_ns = (loop.pace_ns - changed.pace_ns) * len(timeline.runs)
    return _finding(analyses, copies, spent_ns, saves_ns, runs, worth) if worth >= PAGEABLE_SHARE else Passed()


def _pageable(timeline: Timeline) -> Int64s:
    """Copies from and to pageable memory that are large enough to matter, outside of sessions' making and of nodes."""
    ops, links, hooks = timeline.device_ops, timeline.links, timeline.hooks
    named = [number for number, name in enumerate(timeline.names) if "Pageable" in name]
    making = [number for number, name in enumerate(timeline.names) if name in SESSION_HOOKS]
    chosen = np.isin(timeline.spans.name[ops.span], named) & (timeline.spans.kind[ops.span] == Kind.MEMCPY)
    chosen &= (ops.size_bytes > PAGEABLE_BYTES) & (links.node[ops.span] == NONE)
    hook = links.hook[ops.span]
    chosen &= ~np.isin(np.append(hooks.what, NONE)[hook], making)
    copies: Int64s = ops.span[chosen & ~_may_be_of_nodes(timeline)].astype(np.int64)
    return copies


def _may_be_of_nodes(timeline: Timeline) -> Bools:
    """Whether a copy is from a run of a session with Memcpy nodes, of which it may be one's."""
    run, nodes = timeline.links.run[timeline.device_ops.span], timeline.nodes
    sessions = np.unique(nodes.session[memcpy_nodes(timeline)])
    of_session = np.isin(np.append(timeline.runs.session, NONE)[run], sessions)
    return np.asarray((run != NONE) & of_session, np.bool_)


def _in_loops(timeline: Timeline, copies: Int64s) -> Int64s:
    """Those that one line makes over and over, after the first run has begun."""
    runs = timeline.runs
    if not len(runs):
        return copies[:0]
    copies = copies[timeline.spans.end_ns[copies] > runs.start_ns[0]]
    hook = timeline.links.hook[copies]
    site = np.append(timeline.hooks.site, NONE)[hook]
    groups = [copies[rows] for _, rows in rows_by_value(site) if len(rows) >= PAGEABLE_NEEDED]
    return np.sort(np.concatenate(groups)) if groups else copies[:0]


def _finding(
    analyses: Analyses, copies: Int64s, spent_ns: int, saves_ns: int | None, runs: int, worth: float
) -> Finding:  # fmt: skip
    timeline, spans = analyses.timeline, analyses.timeline.spans
    hook = timeline.links.hook[copies]
    sizes = timeline.device_ops.size_bytes[np.isin(timeline.device_ops.span, copies)]
    detail = f"{format_bytes(int(sizes.sum()))} in {format_ns(spent_ns)}."
    if saves_ns is not None:
        detail += f" By a replay the loop would win {format_ratio(round(worth * 1000), 1000)} with pinned memory."
    sites = (timeline.site_at(int(site)) for site in np.append(timeline.hooks.site, NONE)[hook])
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if worth >= PAGEABLE_DEAR_SHARE else Severity.INFO,
        title=f"{len(copies):,} copies between the GPU and pageable memory, {format_ns(spent_ns)} on the device",
        detail=detail,
        count=len(copies),
        cost_ns=spent_ns,
        confidence=Confidence.LIKELY,
        where=distinct_sites(sites),
        evidence=cited(copies.tolist()),
        fix=_FIX,
        over_runs=runs,
        paid=stretches(zip(spans.start_ns[copies].tolist(), spans.end_ns[copies].tolist(), strict=True)),
        saves_ns=saves_ns,
    )


RULE = Rule(code="B8", name="pageable_copies", severity=Severity.WARNING, check=check)
