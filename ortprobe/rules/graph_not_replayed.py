"""A session was asked for CUDA graphs, and its runs launch kernels one by one all the same.

What it is
    With `enable_cuda_graph` the first run captures a graph, and later runs replay it with one launch. ORT keeps a graph
    for each `gpu_graph_id` and each thread, and leaves it alone in runs whose `gpu_graph_id` is -1.

Why it matters
    Such a session has all the restrictions of a graph (fixed shapes, fixed buffers, no memory from elsewhere) and none
    of its speed; capturing again is slower than not capturing.

Evidence
    Of runs that a GPU trace or ORT's profile watched: whether they launched a graph and no kernel of their own, or
    executed their nodes. The first run with each id on each thread captures, and is not counted; unless most are first.

Cost
    Latency of these runs less the median of those that replayed, under the same tracing; not known where none did.

Fix
    One thread, one `gpu_graph_id` for each set of shapes and buffers, and no -1 but in runs that must not use it.

When it is wrong
    A program that leaves the graph out on purpose for inputs that are rare; then most runs replay it, and this rule
    passes.

Source
    ORT's `onnxruntime_run_options_config_keys.h`, `cuda_graph.cc`; ORT issues 12977, 18806. Seen on an H100 with
    1.31.1: a replay is one `cudaGraphLaunch` and no `Execute` in ORT's profile.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.cuda_graphs import SWITCHED_OFF, GraphRun, GraphSession, Replay
from ortprobe.rules.costs import stretches
from ortprobe.rules.evidence import cited, distinct_sites, run_span, site_of_run
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import GRAPH_REPLAYED_SHARE, GRAPH_RUNS_NEEDED
from ortprobe.units import format_ns

_FIX = """\
Run it on one thread, with one id for each set of shapes and buffers:
      options = onnxruntime.RunOptions()
    - options.add_run_config_entry("gpu_graph_id", "-1")
    + options.add_run_config_entry("gpu_graph_id", "1")
      session.run_with_iobinding(binding, options)"""


def check(analyses: Analyses) -> Outcome:
    if no_answer := without_graphs(analyses):
        return no_answer
    watched = {each.session: _countable(each) for each in analyses.cuda_graphs}
    if not any(watched.values()):
        why = f"fewer than {GRAPH_RUNS_NEEDED} runs behind the first were watched by a GPU trace or ORT's profile"
        return NotApplicable(why=why, evidence_missing=True)
    idle = [each for each in analyses.cuda_graphs if _replayed_share(watched[each.session]) < GRAPH_REPLAYED_SHARE]
    return _finding(analyses, [run for each in idle for run in watched[each.session]]) if idle else Passed()


def without_graphs(analyses: Analyses) -> NotApplicable | None:
    """The answer of a rule about CUDA graphs where no session was asked for one, or nobody saw the options."""
    if not analyses.timeline.capture.hooked:
        return NotApplicable(why="only the hook log says what sessions were asked for", evidence_missing=True)
    if not analyses.cuda_graphs:
        return NotApplicable(why="no session was asked for CUDA graphs", evidence_missing=False)
    return None


def _countable(session: GraphSession) -> list[GraphRun]:
    """Watched runs that should have replayed a graph: not the first of the session, nor the first of a graph, unless
    graphs are captured again and again."""
    watched = [run for run in session.runs[1:] if run.replay is not Replay.UNKNOWN]
    again = [run for run in watched if not run.is_first]
    chosen = watched if len(again) * 2 < len(watched) else again
    return chosen if len(chosen) >= GRAPH_RUNS_NEEDED else []


def _replayed_share(runs: list[GraphRun]) -> float:
    return sum(run.replay is Replay.REPLAYED for run in runs) / len(runs) if runs else 1.0


def _finding(analyses: Analyses, runs: list[GraphRun]) -> Finding:
    timeline = analyses.timeline
    slow = [run for run in runs if run.replay is not Replay.REPLAYED]
    costs_ns = _costs_ns(analyses, runs, slow)
    numbers = [run.run for run in slow]
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"CUDA graphs were asked for, and {len(slow)} of {len(runs)} watched runs replayed none",
        detail=_why(slow) + ("" if costs_ns is None else f" That cost {format_ns(sum(costs_ns) // len(slow))} a run."),
        count=len(slow),
        cost_ns=None if costs_ns is None else sum(costs_ns),
        confidence=Confidence.CERTAIN,
        where=distinct_sites(site_of_run(timeline, run) for run in numbers),
        evidence=cited([run_span(timeline, run) for run in numbers]),
        fix=_FIX,
        over_runs=len(runs),
        paid=stretches((int(timeline.runs.start_ns[run]), int(timeline.runs.end_ns[run])) for run in numbers)
        if costs_ns
        else None,
    )


def _why(slow: list[GraphRun]) -> str:
    off = sum(run.graph_id == SWITCHED_OFF for run in slow)
    first = sum(run.is_first and run.graph_id != SWITCHED_OFF for run in slow)
    reasons = [
        (off, f"{off} have the gpu_graph_id -1, which switches the graph off."),
        (first, f"{first} are the first with their gpu_graph_id on their thread, for which a graph is captured anew."),
        (len(slow) - off - first, f"{len(slow) - off - first} have an id that was run before on their thread."),
    ]
    return " ".join(text for count, text in reasons if count)


def _costs_ns(analyses: Analyses, runs: list[GraphRun], slow: list[GraphRun]) -> list[int] | None:
    """What each of the slow runs took more than a replay under the same tracing; None where one has no like."""
    times = analyses.runs
    replays = np.array([run.run for run in runs if run.replay is Replay.REPLAYED], np.int64)
    costs_ns = []
    for run in slow:
        alike = replays[times.attached[replays] == times.attached[run.run]]
        if not len(alike):
            return None
        costs_ns.append(max(int(times.latency_ns[run.run]) - int(np.median(times.latency_ns[alike])), 0))
    return costs_ns


RULE = Rule(code="G1", name="graph_not_replayed", severity=Severity.WARNING, check=check, fix=_FIX)
