"""A session was made with ORT's graph optimisations switched off.

What it is
    `SessionOptions.graph_optimization_level` is `ORT_DISABLE_ALL`, or `ORT_ENABLE_BASIC`, which leaves out
    the fusions that are made for an execution provider. The default is `ORT_ENABLE_ALL`.

Why it matters
    Nothing is fused or folded: more nodes, more launches, more passes over the same memory.

Evidence
    The options that the hooks saw a session being made with. Where ORT's profile lists operators that only ORT's fusion
    makes, the model was optimised before, and there is nothing to say.

Cost
    Not stated: what optimising would do to this model is not known without trying.

Fix
    Leave the level at its default. Where making the session takes too long, optimise once and store the result.

When it is wrong
    A model that was optimised before it was stored needs no second time; one whose results must be bit for bit those of
    the plain operators must not be optimised.

Source
    onnxruntime 1.31.1, `GraphOptimizationLevel`; the documentation's "Graph Optimizations in ONNX Runtime".
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.evidence import cited, creation_spans, distinct_sites, passed_unless_unseen
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Session, Timeline

_LEVEL = "graph_optimization_level"
_OFF, _BASIC = "ORT_DISABLE_ALL", "ORT_ENABLE_BASIC"
FUSED_OPS = frozenset({
    "FusedConv", "FusedMatMul", "FusedGemm", "FusedMatMulActivation", "NhwcFusedConv", "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization", "EmbedLayerNormalization", "Attention", "MultiHeadAttention", "BiasGelu",
    "FastGelu", "QuickGelu", "BiasSoftmax", "BiasDropout", "SkipGroupNorm", "BiasSplitGelu", "GroupQueryAttention",
})  # fmt: skip
"""Operators that ORT's fusions make (`onnxruntime/core/optimizer`, `transformers/optimizer.py`). A model may hold
some of them from the start, which then is as good."""
_FIX = """\
Leave the level at its default, `ORT_ENABLE_ALL`:
      options = onnxruntime.SessionOptions()
    - options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
Where making the session takes too long, optimise once and load the result:
    options.optimized_model_filepath = "optimized.onnx\""""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    known = [session for session in timeline.sessions if _LEVEL in session.session_options and not session.error]
    if not known:
        why = "nobody saw with which options sessions were made" if timeline.sessions else "no session was made"
        return NotApplicable(why=why, evidence_missing=bool(timeline.sessions) or not timeline.capture.hooked)
    lower = [session for session in known if _level(session) in (_OFF, _BASIC) and not _is_fused(timeline, session)]
    return _finding(timeline, lower) if lower else passed_unless_unseen(analyses)


def _level(session: Session) -> str:
    return session.session_options[_LEVEL].rpartition(".")[2]


def _is_fused(timeline: Timeline, session: Session) -> bool:
    own = np.unique(timeline.nodes.op_type[timeline.nodes.session == session.index]).tolist()
    return any(timeline.names[name] in FUSED_OPS for name in own)


def _finding(timeline: Timeline, lower: list[Session]) -> Finding:
    off = [session for session in lower if _level(session) == _OFF]
    sessions = "1 session" if len(lower) == 1 else f"{len(lower)} sessions"
    levels = " and ".join(sorted({_level(session) for session in lower}))
    executed = int(np.isin(timeline.nodes.session, [session.index for session in lower]).sum())
    nodes = f" ORT executes {executed:,} nodes, and none that comes of a fusion." if executed else ""
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if off and executed else Severity.INFO,
        title=f"{sessions} made with {levels}: ORT's graph optimisations are off",
        detail=f"The default is ORT_ENABLE_ALL.{nodes}"
        + ("" if executed else " Without a profile it is not known whether the model had been optimised before."),
        count=len(lower),
        cost_ns=None,
        confidence=Confidence.CERTAIN if executed else Confidence.LIKELY,
        where=distinct_sites(session.site for session in lower),
        evidence=cited([span for session in lower for span in creation_spans(timeline, session)]),
        fix=_FIX,
    )


RULE = Rule(code="N7", name="optimisation_off", severity=Severity.WARNING, check=check, fix=_FIX)
