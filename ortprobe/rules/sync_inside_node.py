"""A node on the GPU waits for it before it goes on.

What it is
    Some operators need a value on the host before they can launch on: `NonZero` and `NonMaxSuppression` how many
    results there are, `If` and `Loop` the condition, others their sizes.

Why it matters
    The host can't launch ahead any more. Behind such a node the GPU has nothing to do until the host has come back,
    looked, and launched the next kernel.

Evidence
    Calls that wait for the GPU, or copy to the host and block, inside the span of a node on a GPU, in steady runs that
    ORT's profile and a GPU trace both watched. Memcpy nodes and nodes on the CPU are N2 and N1.

Cost
    How long these calls were held up by work of the GPU; where the trace does not say that, how long they took. What
    the GPU idles afterwards is not in it.

Fix
    Write it without: a mask in place of indices, a fixed number of rounds, a `TopK` of fixed size.

When it is wrong
    Where the result's size is the answer, somebody has to wait for it.

Source
    ORT issues 11706, 14070; the CUDA kernels of these operators (`nonzero_op.cc`, `loop.cc`).
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, longest_first, op_types, time_of, without_nodes
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import NODE_WAITS_SHARE, NODE_WAITS_WORTH
from ortprobe.timeline import NONE, Int64s
from ortprobe.units import format_ns, format_ratio

_FIX = """\
Write it so that no size depends on the data. For a selection, a mask in place of indices:
    - selected = x[mask].mean()                        # NonZero: the host must know how many
    + selected = torch.where(mask, x, 0).sum() / mask.sum()"""


def check(analyses: Analyses) -> Outcome:
    if unknown := without_nodes(analyses):
        return unknown
    if not analyses.detour_times:
        return NotApplicable(why="no session ran nodes elsewhere than on the CPU", evidence_missing=False)
    if doubtful := cant_tell(analyses, Claim.WAITS):
        return doubtful
    waits = analyses.node_waits
    sessions = analyses.timeline.runs.session
    watched = np.unique(sessions[waits.watched]).tolist()
    if not watched:
        why = "no steady run was watched by ORT's profile and a GPU trace at once"
        return NotApplicable(why=why, evidence_missing=True)
    shares = {session: _share(analyses, np.flatnonzero(sessions[waits.run] == session)) for session in watched}
    dear = [session for session, share in shares.items() if share >= NODE_WAITS_WORTH]
    return _finding(analyses, dear, shares) if dear else Passed()


def _share(analyses: Analyses, rows: Int64s) -> float:
    """Of the latency of a session's watched runs, what these waits cost."""
    waits = analyses.node_waits
    if not len(rows):
        return 0.0
    session = analyses.timeline.runs.session
    runs = waits.watched & (session == session[waits.run[rows[0]]])
    return int(_cost_ns(analyses)[rows].sum()) / max(int(analyses.runs.latency_ns[runs].sum()), 1)


def _cost_ns(analyses: Analyses) -> Int64s:
    waits = analyses.node_waits
    return np.where(waits.stall_ns == NONE, waits.end_ns - waits.start_ns, waits.stall_ns)


def _finding(analyses: Analyses, sessions: list[int], shares: dict[int, float]) -> Finding:
    timeline, waits = analyses.timeline, analyses.node_waits
    rows = np.flatnonzero(np.isin(timeline.runs.session[waits.run], sessions))
    runs = int((waits.watched & np.isin(timeline.runs.session, sessions)).sum())
    cost_ns, nodes = _cost_ns(analyses)[rows], np.unique(waits.node[rows]).tolist()
    share = max(shares[session] for session in sessions)
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if share >= NODE_WAITS_SHARE else Severity.INFO,
        title=f"{len(nodes)} {'node waits' if len(nodes) == 1 else 'nodes wait'} for the GPU in the middle of a run, "
        f"{len(rows) / runs:.0f} times a run: {format_ns(int(cost_ns.sum()) // runs)} of it, {format_ratio(share, 1)}",
        detail=f"{op_types(timeline, nodes)}. Until the host knows what it waits for it launches nothing behind the "
        "node, and what the GPU then idles is not in this figure.",
        count=len(rows),
        cost_ns=int(cost_ns.sum()),
        confidence=Confidence.CERTAIN,
        where=distinct_sites(timeline.sessions[session].site for session in sessions),
        evidence=cited(longest_first(waits.span[rows], cost_ns)),
        fix=_FIX,
        over_runs=runs,
        paid=time_of(timeline, waits.span[rows]),
    )


RULE = Rule(code="N3", name="sync_inside_node", severity=Severity.WARNING, check=check, fix=_FIX)
