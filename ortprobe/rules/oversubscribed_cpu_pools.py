"""More threads compute at once than there are processors.

What it is
    Each session on the CPU has a pool of threads, by default one for each core of the machine, whatever the process is
    confined to. Several sessions that run at once, or one in a container with a small share of a large machine, have
    more threads than processors. They take turns, and those that wait spin.

Why it matters
    The threads of a node wait for the slowest of them: one that has no processor holds all of them up.

Evidence
    The pool that each session was made with, the processors that the process could use (affinity and control group),
    and which runs were in flight at once. What runs take beside others against what they take alone tells what it cost,
    unless one pool is too large by itself.

Cost
    The time in which runs were in flight together, less what their work takes one after another. Where that is not
    less, or not known, none is stated.

Fix
    Give each session as many threads as it is to have: processors divided by the runs at once. For one run a thread,
    `intra_op_num_threads = 1`. Where sessions take turns, `session.intra_op.allow_spinning` = `0` has those that wait
    sleep.

When it is wrong
    Models so small that they hardly use their pool. Sessions that share the process's global pool. Runs that wait for
    Python's lock at their end look slower beside others.

Source
    onnxruntime documentation, "Thread management"; `GetNumPhysicalCpuCores` in `env.cc` sets the default; issues 12049,
    11047, 20494.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.runs.concurrency import concurrency_of, demand_of
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.concurrency import gained, loss_of, told
from ortprobe.rules.evidence import cant_tell, cited, creation_spans, distinct_sites, run_span
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.silent_cpu import GPU_PROVIDERS
from ortprobe.rules.thresholds import CONCURRENT_RUNS, OVERSUBSCRIBED
from ortprobe.timeline import Int64s, Session, Timeline

_FIX = """\
Divide the processors among the runs that are in flight at once:
    + options = onnxruntime.SessionOptions()
    + options.intra_op_num_threads = 1
    + options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    - session = onnxruntime.InferenceSession(path)
    + session = onnxruntime.InferenceSession(path, options)"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says how many threads a session has", evidence_missing=True)
    on_cpu = [each for each in timeline.sessions if each.providers and not set(each.providers) & set(GPU_PROVIDERS)]
    chosen = np.isin(timeline.runs.session, [session.index for session in on_cpu]) & ~analyses.runs.failed
    runs = np.flatnonzero(chosen)
    if not len(runs):
        return NotApplicable(why="no session computed on the CPU", evidence_missing=False)
    if doubtful := cant_tell(analyses, Claim.LATENCY):
        return doubtful
    pools, usable = {each.index: _pool(timeline, each) for each in on_cpu}, timeline.capture.usable_cpus
    if not usable or not all(pools.values()):
        why = (
            "can't tell, because the capture does not say how many threads each session has, and processors the process"
        )
        return NotApplicable(why=why, evidence_missing=True)
    crowded, most = _crowded(timeline, runs, {index: pool or 1 for index, pool in pools.items()}, usable)
    sessions = [timeline.sessions[index] for index in np.unique(timeline.runs.session[crowded]).tolist()]
    one_is_enough = any((pools[session.index] or 1) > OVERSUBSCRIBED * usable for session in sessions)
    concurrency = concurrency_of(timeline, analyses.runs, chosen)
    if len(crowded) < CONCURRENT_RUNS or (gained(concurrency) and not one_is_enough):
        return Passed()
    # Where one pool alone is too large, its runs alone are no measure of what they could take.
    loss_ns = None if one_is_enough else loss_of(concurrency)
    detail = f"Pools: {_listed(sessions, pools)}. " + ("" if one_is_enough else told(concurrency))
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if loss_ns or one_is_enough else Severity.INFO,
        title=f"Up to {most:,} threads of {_counted(len(sessions), 'session')} computed at once on "
        f"{_counted(usable, 'processor')}",
        detail=detail.rstrip(),
        count=len(crowded),
        cost_ns=loss_ns,
        confidence=Confidence.LIKELY,
        where=distinct_sites(session.site for session in sessions),
        evidence=cited(
            [span for session in sessions for span in creation_spans(timeline, session)]
            + [run_span(timeline, run) for run in crowded.tolist()]
        ),
        fix=_FIX,
        over_runs=len(crowded),
    )


def _pool(timeline: Timeline, session: Session) -> int | None:
    """Threads that compute for one run, its caller among them; None where nobody knows."""
    stated = session.session_options.get("intra_op_num_threads", "")
    return (int(stated) or timeline.capture.physical_cores) if stated.isdigit() else None


def _crowded(timeline: Timeline, runs: Int64s, pools: dict[int, int], usable: int) -> tuple[Int64s, int]:
    """(runs in flight while there were far more threads than processors, the most threads at once)."""
    sizes = [pools.get(session.index, 1) for session in timeline.sessions]
    edges_ns, wanted = demand_of(timeline, runs, sizes)
    crowded = np.concatenate(([0], np.cumsum(wanted > OVERSUBSCRIBED * usable)))
    first, last = (np.searchsorted(edges_ns, times[runs]) for times in (timeline.runs.start_ns, timeline.runs.end_ns))
    return runs[crowded[last] > crowded[first]], int(wanted.max())


def _listed(sessions: list[Session], pools: dict[int, int | None]) -> str:
    each = [f"session {session.index} has {_counted(pools[session.index] or 1, 'thread')}" for session in sessions]
    return ", ".join(each[:4]) + (f" and {len(each) - 4} more" if len(each) > 4 else "")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


RULE = Rule(code="C2", name="oversubscribed_cpu_pools", severity=Severity.WARNING, check=check, fix=_FIX)
