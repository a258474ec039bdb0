"""ORT was given the default stream as `user_compute_stream`, and took no stream for it.

What it is
    The option is an address as text. torch's default stream has the handle 0, and ORT takes 0 for "none given": it
    makes a stream of its own, and `has_user_compute_stream` says 0.

Why it matters
    The program believes that ORT runs on torch's stream and needs no wait. It does not, and needs one.

Evidence
    The options that the call named, and those that the session has.

Cost
    None in time; without a wait the results are wrong.

Fix
    Make a stream, and work on it.

When it is wrong
    A program that waits all the same loses nothing.

Source
    ORT issue 19229; ORT 1.31.1 `CUDAExecutionProviderInfo`.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.races.memory_order import Verdict
from ortprobe.rules.evidence import cited, creation_spans, distinct_sites, passed_unless_unseen
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.races import is_input_before_run
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Session

_PROVIDER = "CUDAExecutionProvider"
_FIX = """\
Give ORT a stream that torch has made, and work on it:
    stream = torch.cuda.Stream()   # its handle is not 0
    session = onnxruntime.InferenceSession(path, providers=[
        ("CUDAExecutionProvider", {"user_compute_stream": str(stream.cuda_stream)}), "CPUExecutionProvider"])
    assert session.get_provider_options()["CUDAExecutionProvider"]["has_user_compute_stream"] == "1"
    with torch.cuda.stream(stream):
        x.copy_(batch)
        session.run_with_iobinding(binding)"""


def check(analyses: Analyses) -> Outcome:
    timeline = analyses.timeline
    if not timeline.capture.hooked:
        return NotApplicable(why="only the hook log says what sessions were asked for", evidence_missing=True)
    asked = [session for session in timeline.sessions if _asked(session)]
    ignored = [session for session in asked if _ignored(session)]
    if not asked:
        return NotApplicable(why="no session was given a stream", evidence_missing=False)
    if not ignored:
        return passed_unless_unseen(analyses)
    numbers = {session.index for session in ignored}
    races = [
        pair
        for pair in analyses.races.of_verdict(Verdict.RACE)
        if is_input_before_run(pair) and int(timeline.runs.session[pair.second.run]) in numbers
    ]
    effect = f" {len(races)} inputs of its runs were read without a wait for their write." if races else ""
    return Finding(
        code=RULE.code,
        severity=Severity.ERROR if any(pair.slack_ns < 0 for pair in races) else Severity.WARNING,
        title="user_compute_stream was ignored: ORT runs on a stream of its own",
        detail="The handle given is that of the default stream, 0, which ORT takes for none. So nothing orders its "
        f"work with torch's.{effect}",
        count=len(ignored),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(session.site for session in ignored),
        evidence=cited(
            [
                *(span for session in ignored for span in creation_spans(timeline, session)),
                *(span for pair in races for span in (pair.first.end, pair.second.begin)),
            ]
        ),
        fix=_FIX,
    )


def _asked(session: Session) -> bool:
    return bool(session.requested_options.get(_PROVIDER, {}).get("user_compute_stream"))


def _ignored(session: Session) -> bool:
    return session.provider_options.get(_PROVIDER, {}).get("has_user_compute_stream") == "0"


RULE = Rule(code="Y2", name="user_stream_ignored", severity=Severity.ERROR, check=check, fix=_FIX)
