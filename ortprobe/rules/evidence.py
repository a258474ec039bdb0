"""Where in the capture, and where in the program, something shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.placement import CPU_PROVIDER
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.finding import NotApplicable, Passed
from ortprobe.rules.thresholds import EVIDENCE_SPANS
from ortprobe.timeline import NONE, Int32s, Int64s, Kind, Problem, Session, Site, Timeline
from ortprobe.timeline.intervals import Intervals, union

MAIN_OP_TYPES = 4
"""Operators that a sentence names."""


def cant_tell(analyses: Analyses, *claims: Claim) -> NotApplicable | None:
    """The answer of a rule whose evidence the capture's problems spoil; None when each of the claims can be made."""
    answers = [analyses.integrity.can_say(claim) for claim in claims]
    reasons = dict.fromkeys(answer.why_not for answer in answers if not answer.yes)
    return NotApplicable(why=f"can't tell, because {'; '.join(reasons)}", evidence_missing=True) if reasons else None


def passed_unless_unseen(analyses: Analyses) -> Passed | NotApplicable:
    """The answer of a rule that found nothing among the program's calls: it passed, if all of them were seen."""
    return cant_tell(analyses, Claim.CALLS) or Passed()


def without_nodes(analyses: Analyses) -> NotApplicable | None:
    """The answer of a rule that judges by ORT's own record of its nodes; None where it can."""
    if not len(analyses.timeline.node_spans.span):
        return NotApplicable(
            why="no profile of ONNX Runtime was recorded, which names the nodes", evidence_missing=True
        )
    return cant_tell(analyses, Claim.NODE_TIME)


def on_gpu(timeline: Timeline, session: int) -> bool:
    """Whether a session has a GPU: by its providers, else by where its nodes ran."""
    providers = set(timeline.sessions[session].providers)
    own = np.unique(timeline.nodes.provider[timeline.nodes.session == session]).tolist()
    return bool((providers or {timeline.names[name] for name in own}) - {CPU_PROVIDER, "AzureExecutionProvider"})


def time_of(timeline: Timeline, spans: Int32s | Int64s) -> Intervals:
    """When any of these spans lasted."""
    return union(timeline.spans.start_ns[spans], timeline.spans.end_ns[spans])


def longest_first(spans: Int32s, lasted_ns: Int64s) -> list[int]:
    """The spans, as evidence."""
    order: list[int] = spans[np.argsort(-lasted_ns, kind="stable")].tolist()
    return order


def op_types(timeline: Timeline, nodes: Iterable[int]) -> str:
    """`5 × Hardmax, 1 × TopK`: the operators of these nodes, the most frequent first."""
    counts = Counter(timeline.names[timeline.nodes.op_type[node]] for node in nodes)
    named = [f"{count} × {op_type}" for op_type, count in counts.most_common(MAIN_OP_TYPES)]
    left = len(counts) - len(named)
    return ", ".join([*named, f"{left} other operators"] if left else named)


def hook_rows(timeline: Timeline, *names: str) -> Int64s:
    """Rows in `Timeline.hooks` of the calls with one of these names, in time order."""
    wanted = [index for index, name in enumerate(timeline.names) if name in names]
    return np.flatnonzero(np.isin(timeline.hooks.what, wanted))


def site_of_hook(timeline: Timeline, row: int) -> Site | None:
    """The program's own line that made the call."""
    return timeline.site_at(int(timeline.hooks.site[row]))


def site_of_run(timeline: Timeline, run: int) -> Site | None:
    """The program's own line that made the run; None when no hook saw it."""
    (row,) = timeline.hooks.rows_of(timeline.runs.hook_span[run : run + 1]).tolist()
    return site_of_hook(timeline, row) if row != NONE else None


def distinct_sites(sites: Iterable[Site | None]) -> tuple[Site, ...]:
    """Known sites, each once, in the order in which they first occur."""
    return tuple(dict.fromkeys(site for site in sites if site is not None))


def creation_spans(timeline: Timeline, session: Session) -> list[int]:
    """The spans of a session's making: the hooked creation, loading and initialising."""
    spans, rows = timeline.spans, hook_rows(timeline, "InferenceSession")
    hooked = timeline.hooks.span[rows[timeline.hooks.session[rows] == session.index]]
    phases = spans.of_kind(Kind.ORT_LOAD, Kind.ORT_INITIALIZE)
    own = phases[spans.source[phases] == (NONE if session.profile is None else session.profile)]
    return [*hooked.tolist(), *own.tolist()]


def run_span(timeline: Timeline, run: int) -> int:
    """A span to show for a run: the call, or ORT's own record of it."""
    hooked = int(timeline.runs.hook_span[run])
    return hooked if hooked != NONE else int(timeline.runs.run_span[run])


def spans_of_problem(timeline: Timeline, problem: Problem) -> list[int]:
    """Spans that show a problem of the capture: those that it cites, else the one after which something is missing."""
    if problem.evidence:
        return list(problem.evidence)
    spans = timeline.spans
    own = np.arange(len(spans)) if problem.source is None else np.flatnonzero(spans.source == problem.source)
    before = own if problem.start_ns is None else own[spans.start_ns[own] <= problem.start_ns]
    return [int(span) for span in (before[-1:] if len(before) else own[:1])]


def cited(spans: Sequence[int]) -> tuple[int, ...]:
    """Spans to cite, each once, without holes, not too many."""
    return tuple(dict.fromkeys(span for span in spans if span != NONE))[:EVIDENCE_SPANS]
