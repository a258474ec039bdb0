"""A session on a GPU is run from ever new threads.

What it is
    A thread for each request, or a pool that replaces its threads. onnxruntime keeps streams by thread: each new one
    gets a stream with cuBLAS and cuDNN handles of its own, and may take memory of its own from the arena.

Why it matters
    Each first run on a thread pays for that again, and what was made for threads that are gone is kept for a while:
    memory of the GPU grows with every thread.

Evidence
    The thread of each run. In first runs on a thread, the calls that make streams and events or allocate memory, from a
    GPU trace, and by how much arenas grew, from ORT's profile.

Cost
    What these calls took, in the runs that a GPU trace watched. The handles' own host code is not in it.

Fix
    Run the session from one worker thread, or from a pool that stays.

When it is wrong
    With versions before 1.30 streams are pooled for all threads together, and new threads cost little; so it is a
    warning only where the cost was seen.

Source
    ORT issue 29351; third-party measurement in `facts` of this project: 32 threads take 516 MiB more.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.run_threads import RunThreads
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cited, distinct_sites, on_gpu, run_span, site_of_run
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import NEW_THREADS_SHARE, THREADS_NEEDED
from ortprobe.units import format_bytes, format_ns

_FIX = """\
Run the session from threads that stay:
    - threading.Thread(target=handle, args=(request,)).start()
    + pool = concurrent.futures.ThreadPoolExecutor(max_workers=2)   # once
    + pool.submit(handle, request)"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    of_gpus = [each for each in analyses.run_threads if on_gpu(timeline, each.session)]
    if not of_gpus:
        return NotApplicable(why="no session ran on a GPU", evidence_missing=False)
    enough = [each for each in of_gpus if len(each.runs) >= THREADS_NEEDED]
    if not enough:
        return NotApplicable(why=f"no session ran {THREADS_NEEDED} times or more", evidence_missing=True)
    hopping = [each for each in enough if _is_hopping(each)]
    return _finding(analyses, hopping) if hopping else Passed()


def _is_hopping(threads: RunThreads) -> bool:
    later = threads.on_new_thread[len(threads.runs) // 2 :]
    return threads.threads >= THREADS_NEEDED and float(later.mean()) >= NEW_THREADS_SHARE


def _finding(analyses: Analyses, hopping: list[RunThreads]) -> Finding:
    timeline = analyses.timeline
    firsts = [run for each in hopping for run in each.runs[each.on_new_thread].tolist()]
    costs_ns = [each.set_up_ns for each in hopping if each.set_up_ns is not None]
    watched = [run for each in hopping for run in each.set_up_runs.tolist()]
    growth_bytes, cost_ns = sum(each.growth_bytes for each in hopping), sum(costs_ns) if costs_ns else None
    threads, runs = sum(each.threads for each in hopping), sum(len(each.runs) for each in hopping)
    known = [f"In {len(watched)} first runs on a thread, making streams, events and memory took {format_ns(cost_ns)}."]
    grew = [f"Arenas grew by {format_bytes(growth_bytes)} in such runs."]
    detail = [*(known if cost_ns is not None else ()), *(grew if growth_bytes else ())]
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if cost_ns or growth_bytes else Severity.INFO,
        title=f"{runs} runs came from {threads} threads, and new threads go on coming",
        detail=" ".join(detail) or "What that cost was not watched.",
        count=len(firsts),
        cost_ns=cost_ns,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_run(timeline, run) for run in firsts),
        evidence=cited([run_span(timeline, run) for run in [*watched, *firsts]]),
        fix=_FIX,
        over_runs=len(watched) or None,
        paid=stretches((int(timeline.runs.start_ns[run]), int(timeline.runs.end_ns[run])) for run in watched)
        if cost_ns
        else None,
    )


RULE = Rule(code="F5", name="thread_hopping", severity=Severity.WARNING, check=check, fix=_FIX)
