"""The first run of a session took many times what later ones take.

What it is
    A session's first run on a GPU creates handles, loads code for every kernel, builds convolution plans and grows the
    memory arena. It happens once for each session, and again for shapes not seen before.

Why it matters
    A service pays it on the first request; a benchmark that counts it measures the wrong thing; a short program may
    consist of little else.

Evidence
    The latency of each session's first run against the median of its later runs under the same tracing. The first run
    of a session that replaced another is counted under S1 and not here.

Cost
    First run less steady run, summed over the sessions.

Fix
    Run each shape once before the first real request, with inputs of the real shapes.

When it is wrong
    Every program has a first run, and one that warms up on purpose shows the same figures; so this is information and
    no fault. Warming up moves the cost to where nobody waits for it and does not save it.

Source
    Measured on an H100 with onnxruntime-gpu 1.31.1 and ResNet-50: 500 ms against 2.3 ms. The GPU was busy for 1.8 ms of
    it, as in any other run: the time went to loading code and to the host, not to a search on the GPU.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.session_lives import SessionLife
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, run_span, site_of_run
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.session_costs import first_run_items, listed
from ortprobe.rules.session_recreated import is_recreated
from ortprobe.rules.thresholds import FIRST_RUN_EXCESS_NS, FIRST_RUN_RATIO
from ortprobe.timeline import NONE
from ortprobe.units import format_ns, format_ratio

_FIX = """\
Warm up once for each input shape before the first real request, right after the session is made:
    session.run(None, {name: example for name, example in examples.items()})"""


def check(analyses: Analyses) -> Outcome:
    lives = [life for life in analyses.sessions.lives if life.runs and not is_recreated(life)]
    if doubtful := cant_tell(analyses, Claim.LATENCY):
        return doubtful
    known = [life for life in lives if life.first_run_excess_ns is not None]
    if not known:
        why = "no session ran at least three times under the same tracing" if lives else "no first run was recorded"
        return NotApplicable(why=why, evidence_missing=True)
    cold = [life for life in known if _is_cold(life)]
    return _finding(analyses, cold) if cold else Passed()


def _is_cold(life: SessionLife) -> bool:
    first_ns, steady_ns = life.first_run_ns or 0, life.steady_run_ns or 0
    return first_ns >= FIRST_RUN_RATIO * steady_ns and (life.first_run_excess_ns or 0) >= FIRST_RUN_EXCESS_NS


def _finding(analyses: Analyses, cold: list[SessionLife]) -> Finding:
    timeline, runs = analyses.timeline, analyses.runs
    first_runs = [_first_run(analyses, life) for life in cold]
    cost_ns = sum(life.first_run_excess_ns or 0 for life in cold)
    in_runs_ns = int(runs.latency_ns[~runs.failed].sum())
    worst = max(cold, key=lambda life: life.first_run_excess_ns or 0)
    first, steady = format_ns(worst.first_run_ns), format_ns(worst.steady_run_ns)
    sessions = "" if len(cold) == 1 else f" ({len(cold)} sessions)"
    return Finding(
        code=RULE.code,
        severity=Severity.INFO,
        title=f"The first run took {first}, a steady one {steady}{sessions}",
        detail=f"What first runs cost on top is {format_ratio(cost_ns, in_runs_ns)} of all the time spent in runs. "
        + _phases(analyses, _first_run(analyses, worst))
        + _for_what(worst),
        count=len(cold),
        cost_ns=cost_ns,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_run(timeline, run) for run in first_runs),
        evidence=cited(
            [span for run in first_runs for span in (run_span(timeline, run), _execute_span(analyses, run))]
        ),
        fix=_FIX,
        paid=stretches((int(timeline.runs.start_ns[run]), int(timeline.runs.end_ns[run])) for run in first_runs),
    )


def _first_run(analyses: Analyses, life: SessionLife) -> int:
    return int(np.flatnonzero(analyses.timeline.runs.session == life.session.index)[0])


def _execute_span(analyses: Analyses, run: int) -> int:
    return int(analyses.timeline.runs.execute_span[run])


def _phases(analyses: Analyses, run: int) -> str:
    phases = {
        "preparing streams and inputs": analyses.phases.input_copies_ns[run],
        "launching the nodes": analyses.phases.execute_ns[run],
        "waiting for the device": analyses.phases.drain_ns[run],
        "device busy": analyses.runs.device_busy_ns[run],
    }
    known = [f"{name} {format_ns(int(time_ns))}" for name, time_ns in phases.items() if time_ns != NONE]
    return f"Of the dearest one: {', '.join(known)}." if known else "Its phases were not recorded."


def _for_what(life: SessionLife) -> str:
    first = life.first_runs.first
    if first is None or first.parts_ns is None:
        return ""
    return f" Over a steady one: {listed(first_run_items([first]))}."


RULE = Rule(code="F1", name="cold_first_run", severity=Severity.INFO, check=check, fix=_FIX)
