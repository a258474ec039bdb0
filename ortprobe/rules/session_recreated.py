"""A session was built again while the program was running.

What it is
    `set_providers` does not switch anything: it reads the model again, optimises it, creates every kernel, uploads the
    weights, and leaves a session whose next run is a first run.

Why it matters
    The cost is paid twice: in the call, and in the runs after it. On an H100 with ResNet-50 the call took 188 ms and
    the run after it 130 ms, where a steady run takes 2.3 ms. The CUDA provider's constructor also drains the whole
    device.

Evidence
    A session that replaced another: seen by the hooks, or inferred from two ORT profiles of the same nodes in one
    process, one after the other. Also a constructor called again for the same model, providers and options after the
    last run of a session that the program then let go of: that one repeats the other is inferred.

Cost
    Creating the session, and what its runs took over a steady one until it ran steadily, summed over all re-creations.
    Where a session did not run often enough to know what a steady run takes, its creation alone.

Fix
    Give the providers and their options to the constructor, once:
    `InferenceSession(path, options, providers=[("CUDAExecutionProvider", {...}), "CPUExecutionProvider"])`.
    Keep one session for each configuration instead of changing one.

When it is wrong
    A program that must change providers or streams has to pay this, once. Inferred re-creations may be a second,
    separate session of the same model, or a file that was exported again in between.

Source
    onnxruntime 1.31.1, `onnxruntime_inference_collection.py`, `Session.set_providers`: "The underlying session is
    re-created." Issue 13770.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.session_lives import SessionLife
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cant_tell, cited, creation_spans, distinct_sites, passed_unless_unseen, run_span
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.session_costs import (
    creation_items,
    first_run_items,
    growth_text,
    listed,
    runs_text,
    tuning_text,
)
from ortprobe.rules.thresholds import REPEATED_SESSIONS
from ortprobe.timeline import NONE, Creation
from ortprobe.timeline.intervals import Intervals
from ortprobe.units import format_ns

_FIX = """\
Pass the providers and their options once, to the constructor:
    - session = onnxruntime.InferenceSession(path, options)
    - session.set_providers(["CUDAExecutionProvider", "CPUExecutionProvider"], [{...}, {}])
    + session = onnxruntime.InferenceSession(
    +     path, options, providers=[("CUDAExecutionProvider", {...}), "CPUExecutionProvider"]
    + )
and keep that session. A program that needs two configurations keeps two sessions."""


def check(analyses: Analyses) -> Outcome:
    lives = analyses.sessions.lives
    if not lives:
        return NotApplicable(why="no session of ONNX Runtime was recorded", evidence_missing=True)
    again = [life for life in lives if is_recreated(life)]
    if again:
        return _finding(analyses, again)
    if analyses.timeline.capture.hooked:
        return passed_unless_unseen(analyses)
    return NotApplicable(
        why="without a hook log a re-creation shows only when the profiles of both sessions are given",
        evidence_missing=True,
    )


def is_recreated(life: SessionLife) -> bool:
    """Whether the program built this session again. What ORT falls back to by itself is another matter (S4)."""
    session = life.session
    by_program = session.creation is not Creation.FALLBACK and not session.error
    return by_program and (session.replaces is not None or life.repeats is not None)


def _finding(analyses: Analyses, again: list[SessionLife]) -> Finding:
    lives = analyses.sessions.lives
    predecessors = [life.session.replaces if life.repeats is None else life.repeats for life in again]
    in_use = any(index is not None and lives[index].runs for index in predecessors)
    repeated = [life for life in again if life.repeats is not None]
    inferred = any(life.session.replaces_is_inferred for life in again) or bool(repeated)
    grave = in_use and (len(repeated) < len(again) or len(repeated) >= REPEATED_SESSIONS)
    untold = cant_tell(analyses, Claim.LATENCY)
    cost_ns = None if untold else sum(_cost_ns(life) for life in again)
    costs = [f"What it cost: {untold.why}."] if untold else _costs(analyses, again)
    cost = "" if cost_ns is None else f", which cost {format_ns(cost_ns)}"
    times = "once" if len(again) == 1 else f"{len(again)} times"
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if grave else Severity.INFO,
        title=f"The session was built again {times}{_by(again)}{cost}",
        detail=" ".join([*costs, *_inferences(again)]),
        count=len(again),
        cost_ns=cost_ns,
        confidence=Confidence.LIKELY if inferred else Confidence.CERTAIN,
        where=distinct_sites(life.session.site for life in again),
        evidence=cited([span for life in again for span in _evidence(analyses, life)]),
        fix=_FIX,
        paid=None if untold else creation_time(analyses, again),
    )


def creation_time(analyses: Analyses, lives: list[SessionLife]) -> Intervals:
    """When making these sessions, and their runs until they were steady, were paid for."""
    runs = analyses.timeline.runs
    made = [(life.session.start_ns, life.session.end_ns) for life in lives]
    early = [cost.run for life in lives for cost in life.first_runs.early]
    return stretches([*made, *((int(runs.start_ns[run]), int(runs.end_ns[run])) for run in early)])


def _by(again: list[SessionLife]) -> str:
    return " by set_providers" if all(life.session.creation is Creation.SET_PROVIDERS for life in again) else ""


def _evidence(analyses: Analyses, life: SessionLife) -> list[int]:
    """The spans of making the session, and its first run."""
    first = _first_run_row(analyses, life)
    paid = [] if first is None else [run_span(analyses.timeline, first)]
    return [*creation_spans(analyses.timeline, life.session), *paid]


def _first_run_row(analyses: Analyses, life: SessionLife) -> int | None:
    rows = np.flatnonzero(analyses.timeline.runs.session == life.session.index)
    return int(rows[0]) if len(rows) else None


def _cost_ns(life: SessionLife) -> int:
    return (life.creation_ns or 0) + (life.first_runs.excess_ns or 0)


def _costs(analyses: Analyses, again: list[SessionLife]) -> list[str]:
    dearest = max(again, key=_cost_ns)
    sentences = [_dearest_text(dearest), *_divided(analyses, dearest)]
    first = _first_run_row(analyses, dearest)
    if first is not None and analyses.runs.device_busy_ns[first] != NONE:
        busy_ns = int(analyses.runs.device_busy_ns[first])
        sentences.append(f"The GPU was busy {format_ns(busy_ns)} of that first run; the rest is the host's.")
    return sentences


def _inferences(again: list[SessionLife]) -> list[str]:
    sentences = []
    if any(life.session.replaces_is_inferred for life in again):
        sentences.append(
            "No hook saw the call: inferred from profiles of the same nodes in one process, one after the other."
        )
    if any(life.repeats is not None for life in again):
        sentences.append("The constructor was called again for the same model, providers and options.")
    return sentences


def _dearest_text(life: SessionLife) -> str:
    call = "set_providers call" if life.session.creation is Creation.SET_PROVIDERS else "creation"
    cost = f"This {call} cost {format_ns(life.creation_ns)}"
    if life.first_runs.excess_ns is not None:
        cost += f" + {format_ns(life.first_runs.excess_ns)} in its next {runs_text(life.first_runs)}"
    return f"{cost} (session {life.session.index}): {_first_run(life)}."


def _divided(analyses: Analyses, life: SessionLife) -> list[str]:
    """For what the time went, where the capture tells."""
    sentences = []
    if life.creation is not None and life.creation.phases is not None:
        sentences.append(f"The creation: {listed(creation_items(life.creation))}.")
    if life.first_runs.divided:
        early = life.first_runs.early
        told = [listed(first_run_items(early)), growth_text(early), tuning_text(analyses, early)]
        sentences.append(f"The runs, over steady ones: {'; '.join(text for text in told if text)}.")
    return sentences


def _first_run(life: SessionLife) -> str:
    if not life.runs:
        return "it never ran"
    steady = "" if life.steady_run_ns is None else f" where a steady one takes {format_ns(life.steady_run_ns)}"
    return f"its first run took {format_ns(life.first_run_ns)}{steady}"


RULE = Rule(code="S1", name="session_recreated", severity=Severity.WARNING, check=check, fix=_FIX)
