"""Holes that show once everything is on one clock: launches without work, work without launches, unresolved waits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ortprobe.ingest.builder import Collected
from ortprobe.timeline import DEVICE_WORK, NONE, Bools, Int32s, Kind, Links, Problem, ProblemKind, SourceKind, WaitKind

_CLOCK_SLACK_NS = 10_000
"""CUPTI interpolates device time; a few µs before the launch are its error, more is not."""

_KERNEL_LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx")


def find_holes(collected: Collected, links: Links, watched_gpu_runs: int = 0) -> list[Problem]:
    """Problems of the capture as a whole.

    Args:
        watched_gpu_runs: runs of sessions on a GPU while torch's profiler was attached, which must have left kernels.
    """
    kinds = {source.kind for source in collected.sources}
    problems = []
    if SourceKind.ORT_PROFILE not in kinds:
        detail = "no ONNX Runtime profile: kernels can't be told apart by ONNX node"
        problems.append(Problem(kind=ProblemKind.NO_ORT_PROFILE, detail=detail))
    if not len(collected.device_ops.span):
        detail = "no device work was recorded: there is no GPU timeline, and nothing is said about idle time or waits"
        if watched_gpu_runs:
            detail = (
                f"no device work was recorded, although {watched_gpu_runs:,} runs on a GPU were made while torch's "
                "profiler was attached: another tool had CUPTI, or torch could not load it (ortprobe doctor says which)"
            )
        problems.append(Problem(kind=ProblemKind.NO_GPU_TRACE, detail=detail))
        return problems
    return [*problems, *_broken_links(collected, links), *_waits(collected)]


def _broken_links(collected: Collected, links: Links) -> list[Problem]:
    spans = collected.spans
    work = spans.of_kind(*DEVICE_WORK)
    launches = _named(collected, _KERNEL_LAUNCHES)
    launches = launches[~_captured(collected, launches)]
    fruitless = int((~np.isin(launches, links.launch[work])).sum())
    launched = work[links.launch[work] != NONE]
    orphans = len(work) - len(launched)
    early = int((spans.start_ns[launched] < spans.start_ns[links.launch[launched]] - _CLOCK_SLACK_NS).sum())
    found = []
    if fruitless:
        detail = f"{fruitless:,} of {len(launches):,} kernel launches have no kernel in the trace"
        found.append(Problem(kind=ProblemKind.LAUNCHES_WITHOUT_WORK, detail=detail, count=fruitless))
    if orphans:
        detail = f"{orphans:,} of {len(work):,} pieces of device work have no launching call in the trace"
        found.append(Problem(kind=ProblemKind.WORK_WITHOUT_LAUNCH, detail=detail, count=orphans))
    if early:
        detail = (
            f"{early:,} of {len(work):,} pieces of device work begin before they were launched: their times are wrong"
        )
        found.append(Problem(kind=ProblemKind.CLOCK_DOUBT, detail=detail, count=early))
    return found


def _captured(collected: Collected, launches: Int32s) -> Bools:
    """Launches between `cudaStreamBeginCapture` and `cudaStreamEndCapture` on one thread, which run nothing.

    cuDNN 9 does this for each convolution while it builds its plan (seen with ORT 1.31.1 on an H100).
    """
    spans = collected.spans
    inside = np.zeros(len(launches), np.bool_)
    begins, ends = _named(collected, ("cudaStreamBeginCapture",)), _named(collected, ("cudaStreamEndCapture",))
    for lane in np.unique(spans.lane[begins]).tolist():
        begin_ns, end_ns = (spans.start_ns[calls[spans.lane[calls] == lane]] for calls in (begins, ends))
        own = np.flatnonzero(spans.lane[launches] == lane)
        at_ns = spans.start_ns[launches[own]]
        inside[own] = np.searchsorted(begin_ns, at_ns) > np.searchsorted(end_ns, at_ns)
    return inside


def _named(collected: Collected, names: Sequence[str]) -> Int32s:
    """CUDA calls of these names, in time order."""
    wanted = [number for number, name in enumerate(collected.names) if name in names]
    calls = collected.spans.of_kind(Kind.CUDA_CALL)
    return calls[np.isin(collected.spans.name[calls], wanted)]


def _waits(collected: Collected) -> list[Problem]:
    waits = collected.waits
    if not len(waits.span):
        detail = "the torch trace holds no synchronisation records (enable_cuda_sync_events was off)"
        return [Problem(kind=ProblemKind.NO_SYNC_RECORDS, detail=detail)]
    on_event = waits.kind == WaitKind.STREAM_WAIT_EVENT
    unresolved = int((on_event & (waits.waited_stream == NONE)).sum())
    calls = len(_named(collected, ("cudaStreamWaitEvent",)))
    dropped = calls - int(on_event.sum())
    found = []
    if unresolved:
        detail = f"{unresolved:,} of {int(on_event.sum()):,} stream waits don't say which stream they wait for"
        found.append(Problem(kind=ProblemKind.WAITS_UNRESOLVED, detail=detail, count=unresolved))
    if dropped > 0:
        detail = f"{dropped:,} of {calls:,} cudaStreamWaitEvent calls left no synchronisation record"
        found.append(Problem(kind=ProblemKind.WAITS_UNRESOLVED, detail=detail, count=dropped))
    return found
