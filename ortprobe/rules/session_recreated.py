"""A session was built again while the program was running.

What it is
    `set_providers` does not switch anything: it reads the model again, optimises it, creates every kernel, uploads the
    weights, and leaves a session whose next run is a first run.

Why it matters
    The cost is paid twice: in the call, and in the run after it. On an H100 with ResNet-50 the call took 188 ms and the
    run after it 130 ms, where a steady run takes 2.3 ms. The CUDA provider's constructor also drains the whole device.

Evidence
    A session that replaced another: seen by the hooks, or inferred from two ORT profiles of the same nodes in one
    process, one after the other.

Cost
    Creating the session, and what its first run took over a steady one, summed over all re-creations.

Fix
    Give the providers and their options to the constructor, once:
    `InferenceSession(path, options, providers=[("CUDAExecutionProvider", {...}), "CPUExecutionProvider"])`.
    Keep one session for each configuration instead of changing one.

When it is wrong
    A program that must change providers or streams has to pay this, once. Inferred re-creations may be a second,
    separate session of the same model.

Source
    onnxruntime 1.31.1, `onnxruntime_inference_collection.py`, `Session.set_providers`: "The underlying session is
    re-created." Issue 13770.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions import SessionLife
from ortprobe.rules.evidence import cited, creation_spans, distinct_sites
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Creation
from ortprobe.units import format_ns

_FIX = """\
Pass the providers and their options once, to the constructor:
    session = onnxruntime.InferenceSession(
        path, options, providers=[("CUDAExecutionProvider", {...}), "CPUExecutionProvider"]
    )
and keep that session. A program that needs two configurations keeps two sessions."""


def check(analyses: Analyses) -> Outcome:
    lives = analyses.sessions.lives
    if not lives:
        return NotApplicable(why="no session of ONNX Runtime was recorded", evidence_missing=True)
    again = [life for life in lives if life.session.replaces is not None and not life.session.error]
    if again:
        return _finding(analyses, again)
    if analyses.timeline.capture.hooked:
        return Passed()
    return NotApplicable(
        why="without a hook log a re-creation shows only when the profiles of both sessions are given",
        evidence_missing=True,
    )


def _finding(analyses: Analyses, again: list[SessionLife]) -> Finding:
    inferred = all(life.session.replaces_is_inferred for life in again)
    after_a_run = any(analyses.sessions.lives[life.session.replaces or 0].runs for life in again)
    cost_ns = analyses.sessions.re_init_cost_ns
    times = "once" if len(again) == 1 else f"{len(again)} times"
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if after_a_run else Severity.INFO,
        title=f"The session was built again {times}, which cost {format_ns(cost_ns)}",
        detail=_detail(again, inferred),
        count=len(again),
        cost_ns=cost_ns,
        confidence=Confidence.LIKELY if inferred else Confidence.CERTAIN,
        where=distinct_sites(life.session.site for life in again),
        evidence=cited([span for life in again for span in creation_spans(analyses.timeline, life.session)]),
        fix=_FIX,
    )


def _detail(again: list[SessionLife], inferred: bool) -> str:
    dearest = max(again, key=lambda life: life.re_init_cost_ns or 0)
    sentences = [
        f"Creating session {dearest.session.index} took {format_ns(dearest.creation_ns)}, and its first run took "
        f"{format_ns(dearest.first_run_ns)} where a steady one takes {format_ns(dearest.steady_run_ns)}."
    ]
    if any(life.session.creation is Creation.FALLBACK for life in again):
        sentences.append("ORT did it by itself inside `run`, after an execution provider failed.")
    if inferred:
        sentences.append(
            "No hook saw the call: inferred from profiles of the same nodes in one process, one after the other."
        )
    return " ".join(sentences)


RULE = Rule(code="S1", name="session_recreated", severity=Severity.WARNING, check=check)
