"""A GPU provider was asked for, and the session runs without it.

What it is
    When CUDA's or TensorRT's libraries can't be loaded, ORT writes a line to stderr and makes the session with what is
    left, usually the CPU provider alone. Nothing is raised.

Why it matters
    Every run is as slow as the CPU is, and the results are right, so nobody looks.

Evidence
    The providers that were asked for against those that the session says it has (`get_providers()`), as the hooks saw
    them when it was made.

Cost
    Not stated: the capture holds no run on the GPU to compare with.

Fix
    Install the CUDA and cuDNN libraries of the major version that the wheel was built for, call
    `onnxruntime.preload_dlls()` before making the session, and check `session.get_providers()` at start.

When it is wrong
    A program that lists a GPU provider so as to use it where there is one, and means to run on the CPU otherwise.

Source
    onnxruntime-gpu 1.31.1 run without libcublasLt: `get_providers() == ["CPUExecutionProvider"]`. Issues 23372, 23612,
    13414, 26232, 21424.
"""

from __future__ import annotations

from ortprobe.analysis.analyses import Analyses
from ortprobe.rules.evidence import cited, creation_spans, distinct_sites, passed_unless_unseen
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Severity
from ortprobe.rules.rule import Rule
from ortprobe.timeline import Session

GPU_PROVIDERS = ("CUDAExecutionProvider", "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")

_FIX = """\
Install the CUDA and cuDNN libraries that this onnxruntime was built for, and fail early:
    onnxruntime.preload_dlls()
    session = onnxruntime.InferenceSession(path, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert "CUDAExecutionProvider" in session.get_providers()"""


def check(analyses: Analyses) -> Outcome:
    sessions = [session for session in analyses.timeline.sessions if session.providers and not session.error]
    if not analyses.timeline.capture.hooked or not sessions:
        return NotApplicable(why="only the hook log says which providers were asked for", evidence_missing=True)
    if not any(set(session.requested_providers) & set(GPU_PROVIDERS) for session in sessions):
        return NotApplicable(why="no session asked for a GPU provider", evidence_missing=False)
    without = [session for session in sessions if _missing(session)]
    return _finding(analyses, without) if without else passed_unless_unseen(analyses)


def _missing(session: Session) -> tuple[str, ...]:
    """TensorRT falls back to CUDA by design, so one GPU provider of those asked for is enough."""
    asked = tuple(provider for provider in session.requested_providers if provider in GPU_PROVIDERS)
    return asked if not set(asked) & set(session.providers) else ()


def _finding(analyses: Analyses, without: list[Session]) -> Finding:
    session = without[0]
    sessions = "1 session" if len(without) == 1 else f"{len(without)} sessions"
    asked, got = ", ".join(_missing(session)), ", ".join(session.providers)
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING,
        title=f"{sessions} asked for {asked} and got {got} alone",
        detail="ORT could not load the provider's libraries and said so only on stderr. The results are right and "
        "every run is as slow as the CPU is.",
        count=len(without),
        cost_ns=None,
        confidence=Confidence.CERTAIN,
        where=distinct_sites(each.site for each in without),
        evidence=cited([span for each in without for span in creation_spans(analyses.timeline, each)]),
        fix=_FIX,
    )


RULE = Rule(code="S7", name="silent_cpu", severity=Severity.WARNING, check=check, fix=_FIX)
