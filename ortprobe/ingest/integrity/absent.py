"""Whole kinds of evidence that a capture does not hold."""

from __future__ import annotations

import numpy as np

from ortprobe.bundle import ATTACHED_TORCH_PROFILER
from ortprobe.ingest.watched import Watched
from ortprobe.timeline import Problem, ProblemKind, SourceKind, Timeline

_CUDA = "CUDAExecutionProvider"


def find_absent(watched: Watched) -> list[Problem]:
    """No ORT profile; no device work."""
    timeline, problems = watched.timeline, []
    if SourceKind.ORT_PROFILE not in {source.kind for source in timeline.sources}:
        detail = "no ONNX Runtime profile: kernels can't be told apart by ONNX node"
        problems.append(Problem(kind=ProblemKind.NO_ORT_PROFILE, detail=detail))
    if not len(timeline.device_ops.span):
        detail = "no device work was recorded: there is no GPU timeline, and nothing is said about idle time or waits"
        if runs := _watched_gpu_runs(timeline):
            detail = (
                f"no device work was recorded, although {runs:,} runs on a GPU were made while torch's "
                "profiler was attached: another tool had CUPTI, or torch could not load it (ortprobe doctor says which)"
            )
        problems.append(Problem(kind=ProblemKind.NO_GPU_TRACE, detail=detail))
    return problems


def _watched_gpu_runs(timeline: Timeline) -> int:
    """Runs of sessions on a GPU while torch's profiler was attached, which must have left kernels."""
    on_gpu = [session.index for session in timeline.sessions if session.providers[:1] == (_CUDA,)]
    runs = timeline.runs
    return int((np.isin(runs.session, on_gpu) & (runs.attached & ATTACHED_TORCH_PROFILER > 0)).sum())
