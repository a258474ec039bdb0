"""A profile of ONNX Runtime is empty, cut short, or shared by two sessions.

What it is
    ONNX Runtime opens a profile when a session is made and writes it when the session ends, or at `end_profiling()`: a
    killed program leaves 0 bytes. It drops all events after the first million. It names files by the millisecond, so
    two sessions with the same prefix can write to one.

Why it matters
    Nodes, their times and their counts lack what the profile lacks, and nothing in ONNX Runtime says so.

Evidence
    The profiles themselves, as the capture's problems state them one by one.

Cost
    None: it costs evidence.

Fix
    Give each session a prefix of its own, end its profile or the session before the program ends, and profile fewer
    runs.

When it is wrong
    Where the runs of interest come before the end of what was written.

Source
    onnxruntime `profiler.cc` (`global_max_num_events_`); issues 16334, 17013; runs of onnxruntime 1.17 to 1.32
    (`tests/data/ort-versions`).
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.evidence import cited, spans_of_problem
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Problem, ProblemKind, SourceKind, Timeline

_WHAT = {
    ProblemKind.EMPTY_SOURCE: "empty or can't be read",
    ProblemKind.PROFILE_SHARED: "shared by two sessions",
    ProblemKind.PROFILE_TRUNCATED: "truncated at a million events",
    ProblemKind.CUT_OFF: "cut off",
}

_FIX = """\
One prefix for each session, fewer runs, and an end to each profile; the session lives on behind it:
    + options.profile_file_prefix = f"ort-{os.getpid()}-{number}"
      session = onnxruntime.InferenceSession(path, options)
      ...
    + session.end_profiling()"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    spoilt = [problem for problem in analyses.integrity.problems if _is_of_profile(timeline, problem)]
    if spoilt:
        return _finding(timeline, spoilt)
    if not any(source.kind is SourceKind.ORT_PROFILE for source in timeline.sources):
        return NotApplicable(why="the capture holds no profile of ONNX Runtime", evidence_missing=True)
    return Passed()


def _is_of_profile(timeline: Timeline, problem: Problem) -> bool:
    if problem.kind is ProblemKind.CUT_OFF:
        return problem.source is not None and timeline.sources[problem.source].kind is SourceKind.ORT_PROFILE
    return problem.kind in _WHAT


def _finding(timeline: Timeline, spoilt: list[Problem]) -> Finding:
    by_kind = {kind: sum(problem.kind is kind for problem in spoilt) for kind in _WHAT}
    found = [(count, "is" if count == 1 else "are", _WHAT[kind]) for kind, count in by_kind.items() if count]
    what = ", ".join(f"{count} {verb} {state}" for count, verb, state in found)
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"Profiles of ONNX Runtime are not whole: {what}",
        detail="What is in them is true, and what they lack can't be told. The remarks on the capture name the files.",
        count=len(spoilt),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=(),
        evidence=cited([span for problem in spoilt for span in spans_of_problem(timeline, problem)]),
        fix=_FIX,
    )


RULE = Rule(code="M2", name="profile_incomplete", severity=Severity.WARNING, check=check, fix=_FIX)
