"""A CUDA graph was replayed for a run that was given other buffers than it was captured with.

What it is
    A captured graph holds the addresses of inputs and outputs. A run with another binding, or with another tensor bound
    in its place, replays the graph on the old ones.

Why it matters
    The run reads the input of an earlier one, or writes where nobody looks. No error says so.

Evidence
    The addresses bound for each run of a session with `enable_cuda_graph`, against those bound for the run that
    captured the graph of the same `gpu_graph_id` on the same thread. A run that was seen to launch its kernels one by
    one reads what it was given, and does not count.

Cost
    None in time: the results are wrong.

Fix
    Bind once, and copy each input into the bound buffer; or give each set of buffers a `gpu_graph_id` of its own.

When it is wrong
    A run that nothing watched is taken to have replayed the graph; the detail says how many were seen to.

Source
    ORT's documentation of CUDA graphs ("addresses of inputs and outputs must not change"), `cuda_graph.cc`.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import (
    cant_tell,
    cited,
    distinct_sites,
    passed_unless_unseen,
    run_span,
    site_of_hook,
    site_of_run,
)
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.graph_not_replayed import without_graphs
from ortprobe.rules.rule import Rule

_FIX = """\
Bind once, and copy each input into the buffer that the graph knows:
    - binding.bind_input("x", "cuda", 0, np.float32, batch.shape, batch.data_ptr())
    + x.copy_(batch)
      session.run_with_iobinding(binding)"""


def check(analyses: Analyses) -> Outcome:
    if no_answer := without_graphs(analyses) or cant_tell(analyses, Claim.CALLS):
        return no_answer
    stale = [buffer for session in analyses.cuda_graphs for buffer in session.stale]
    if stale:
        return _finding(analyses)
    if not any(session.buffers_known for session in analyses.cuda_graphs):
        return NotApplicable(why="nobody saw which buffers its runs were given", evidence_missing=True)
    return passed_unless_unseen(analyses)


def _finding(analyses: Analyses) -> Finding:
    timeline = analyses.timeline
    stale = [buffer for session in analyses.cuda_graphs for buffer in session.stale]
    runs = list(dict.fromkeys(buffer.run for buffer in stale))
    seen = len({buffer.run for buffer in stale if buffer.is_certain})
    names = sorted({timeline.names[buffer.given.name] for buffer in stale})
    binds = list(dict.fromkeys(buffer.given.hook for buffer in stale))
    reads = not all(buffer.given.is_output for buffer in stale)
    given = "1 run was" if len(runs) == 1 else f"{len(runs)} runs were"
    sites = [*(site_of_hook(timeline, row) for row in binds), *(site_of_run(timeline, run) for run in runs)]
    return Finding(
        code=RULE.code,
        severity=Severity.ERROR,
        title=f"{given} given other buffers than their CUDA graph was "
        f"captured with: {', '.join(f'`{name}`' for name in names)}",
        detail=f"The graph {'reads' if reads else 'writes'} the old ones. {seen} of these runs were seen to replay it"
        + ("." if seen == len(runs) else "; the others were not watched."),
        count=len(runs),
        cost_ns=None,
        confidence=Confidence.CERTAIN if seen else Confidence.LIKELY,
        where=distinct_sites(sites),
        evidence=cited(
            [
                *(run_span(timeline, run) for run in runs),
                *(int(timeline.hooks.span[buffer.captured.hook]) for buffer in stale),
                *(int(timeline.hooks.span[row]) for row in binds),
            ]
        ),
        fix=_FIX,
    )


RULE = Rule(code="G2", name="graph_with_stale_address", severity=Severity.ERROR, check=check, fix=_FIX)
