"""Provider options went back to their defaults when the session was built again.

What it is
    `set_providers` replaces all provider options. Options that were given at construction, and not again, are at their
    defaults afterwards.

Why it matters
    The new session looks the same and behaves differently: the convolution search is exhaustive again, CUDA graphs are
    off, the memory limit is gone, or ORT is back on a stream of its own, without the order that the program relied on.

Evidence
    The CUDA options that the sessions before and after say they have, and those that the call named. An option that
    was not at its default, was not named, and now is at its default counts as lost.

Cost
    Not stated: it depends on the option. Where it is a slower run, the runs of both sessions show it.

Fix
    Pass the whole dictionary again: read `session.get_provider_options()`, change what has to change, and give all of
    it to `set_providers`. Better: give it to the constructor, once.

When it is wrong
    Where the program relies on the defaults coming back.

Source
    onnxruntime 1.31.1, `onnxruntime_inference_collection.py`, `Session._reset_session`; ORT pull request 9916.
    Defaults: stated by a session of onnxruntime-gpu 1.31.1 on an H100.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.session_lives import SessionLife
from ortprobe.rules.evidence import cited, creation_spans, distinct_sites, passed_unless_unseen
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule

_FIX = """\
Pass every option again:
    options = session.get_provider_options()["CUDAExecutionProvider"]
    session.set_providers(["CUDAExecutionProvider", "CPUExecutionProvider"], [options | {...}, {}])"""


def check(analyses: Analyses) -> Outcome:
    if not analyses.timeline.capture.hooked:
        return NotApplicable(why="only the hook log holds the options before and after", evidence_missing=True)
    again = [life for life in analyses.sessions.lives if life.session.replaces is not None and not life.session.error]
    if not again:
        return NotApplicable(why="no session was built again", evidence_missing=False)
    changed = [life for life in again if life.options_reset]
    return _finding(analyses, changed) if changed else passed_unless_unseen(analyses)


def _finding(analyses: Analyses, changed: list[SessionLife]) -> Finding:
    changes = dict.fromkeys(change for life in changed for change in life.options_reset)
    listed = ", ".join(f"{change.option} {change.before} → {change.after}" for change in changes)
    options = "1 provider option" if len(changes) == 1 else f"{len(changes)} provider options"
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"Building the session again put {options} back to the default: {listed}",
        detail="`set_providers` replaces all options, and those that it is not given are at their defaults afterwards. "
        "The call did not name these.",
        count=len(changes),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(life.session.site for life in changed),
        evidence=cited([span for life in changed for span in creation_spans(analyses.timeline, life.session)]),
        fix=_FIX,
    )


RULE = Rule(code="S3", name="options_lost", severity=Severity.WARNING, check=check, fix=_FIX)
