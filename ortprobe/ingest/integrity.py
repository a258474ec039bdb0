"""Holes that show once everything is on one clock: launches without work, work without launches, unresolved waits."""

from __future__ import annotations

import numpy as np

from ortprobe.ingest.builder import Collected
from ortprobe.timeline import DEVICE_WORK, NONE, Kind, Links, Problem, ProblemKind, SourceKind, WaitKind

_KERNEL_LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx")


def find_holes(collected: Collected, links: Links) -> list[Problem]:
    """Problems of the capture as a whole."""
    kinds = {source.kind for source in collected.sources}
    problems = []
    if SourceKind.ORT_PROFILE not in kinds:
        detail = "no ONNX Runtime profile: kernels can't be told apart by ONNX node"
        problems.append(Problem(kind=ProblemKind.NO_ORT_PROFILE, detail=detail))
    if not len(collected.device_ops.span):
        detail = "no device work was recorded: there is no GPU timeline, and nothing is said about idle time or waits"
        problems.append(Problem(kind=ProblemKind.NO_GPU_TRACE, detail=detail))
        return problems
    return [*problems, *_broken_links(collected, links), *_waits(collected)]


def _broken_links(collected: Collected, links: Links) -> list[Problem]:
    spans = collected.spans
    wanted = [number for number, name in enumerate(collected.names) if name in _KERNEL_LAUNCHES]
    launches = np.flatnonzero(np.isin(spans.name, wanted) & (spans.kind == Kind.CUDA_CALL))
    work = spans.of_kind(*DEVICE_WORK)
    fruitless = int((~np.isin(launches, links.launch[work])).sum())
    orphans = int((links.launch[work] == NONE).sum())
    found = []
    if fruitless:
        detail = f"{fruitless:,} of {len(launches):,} kernel launches have no kernel in the trace"
        found.append(Problem(kind=ProblemKind.LAUNCHES_WITHOUT_WORK, detail=detail, count=fruitless))
    if orphans:
        detail = f"{orphans:,} of {len(work):,} pieces of device work have no launching call in the trace"
        found.append(Problem(kind=ProblemKind.WORK_WITHOUT_LAUNCH, detail=detail, count=orphans))
    return found


def _waits(collected: Collected) -> list[Problem]:
    waits, spans = collected.waits, collected.spans
    if not len(waits.span):
        detail = "the torch trace holds no synchronisation records (enable_cuda_sync_events was off)"
        return [Problem(kind=ProblemKind.NO_SYNC_RECORDS, detail=detail)]
    on_event = waits.kind == WaitKind.STREAM_WAIT_EVENT
    unresolved = int((on_event & (waits.waited_stream == NONE)).sum())
    wanted = [number for number, name in enumerate(collected.names) if name == "cudaStreamWaitEvent"]
    calls = int(np.isin(spans.name, wanted).sum())
    dropped = calls - int(on_event.sum())
    found = []
    if unresolved:
        detail = f"{unresolved:,} of {int(on_event.sum()):,} stream waits don't say which stream they wait for"
        found.append(Problem(kind=ProblemKind.WAITS_UNRESOLVED, detail=detail, count=unresolved))
    if dropped > 0:
        detail = f"{dropped:,} of {calls:,} cudaStreamWaitEvent calls left no synchronisation record"
        found.append(Problem(kind=ProblemKind.WAITS_UNRESOLVED, detail=detail, count=dropped))
    return found
