"""What making a session and its first runs cost, in words: for findings, and for the reports that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.sessions.creations import CreationCost, Phase, PhaseTime
from ortprobe.analysis.sessions.first_runs import FirstRunCost, FirstRuns
from ortprobe.analysis.sessions.host_parts import HostPart
from ortprobe.analysis.trust.claims import Claim
from ortprobe.units import format_bytes, format_ns

PHASE_LABELS: Mapping[Phase, str] = {
    Phase.BEFORE: "before loading",
    Phase.LOAD: "loading the model",
    Phase.PROVIDERS: "setting up providers",
    Phase.INITIALIZE: "initialising",
    Phase.AFTER: "after initialising",
}
PART_LABELS: Mapping[HostPart, str] = {
    HostPart.MODULE_LOADING: "loading GPU code",
    HostPart.LAUNCH: "launch calls",
    HostPart.ALLOCATION: "allocating memory",
    HostPart.COPY: "copy calls",
    HostPart.WAIT: "waiting for the GPU",
    HostPart.HANDLE: "making streams and events",
    HostPart.CUDA_GRAPH: "CUDA graphs",
    HostPart.CUDA_CALL: "other CUDA calls",
    HostPart.PROFILER: "the profiler",
    HostPart.NODE_BEFORE_LAUNCH: "nodes on the host before their first launch (inferred: libraries, handles, plans)",
    HostPart.NODE: "nodes on the host",
    HostPart.ORT: "onnxruntime outside of nodes",
    HostPart.OUTSIDE: "outside of onnxruntime",
}
UNEXPLAINED = "unexplained"
_TELLING = 4
"""Items that a sentence names; the others are summed up."""

Items = Sequence[tuple[str, int]]
"""What, and for how many ns; the dearest first."""


def creation_items(cost: CreationCost) -> Items:
    """What making a session took, by phase, initialising by what its thread did too. Sums to `creation_ns` exactly."""
    if cost.phases is None:
        return _dearest(_inside("the host", cost.whole, cost))
    items: dict[str, int] = {}
    for phase, time in cost.phases.items():
        divided = phase is Phase.INITIALIZE and not time.unwatched_ns
        found = _inside("initialising on the host", time, cost) if divided else {PHASE_LABELS[phase]: time.length_ns}
        items |= found
    return _dearest(items)


def _inside(host: str, time: PhaseTime, cost: CreationCost) -> dict[str, int]:
    labels = {**PART_LABELS, HostPart.OUTSIDE: host, HostPart.COPY: _upload(cost)}
    items = {labels[part]: length_ns for part, length_ns in time.parts_ns.items()}
    return items | ({"not watched by a trace": time.unwatched_ns} if time.unwatched_ns else {})


def _upload(cost: CreationCost) -> str:
    upload = cost.upload
    if upload is None or not upload.copies:
        return PART_LABELS[HostPart.COPY]
    pageable = " from pageable memory" if upload.pageable_bytes == upload.size_bytes else ""
    return f"uploading {format_bytes(upload.size_bytes)}{pageable}"


def first_run_items(costs: Sequence[FirstRunCost]) -> Items:
    """What runs took over steady ones, by what their threads did, nodes by operator. Sums to their excess exactly."""
    items: dict[str, int] = {}
    for cost in costs:
        for label, more_ns in _items_of(cost).items():
            items[label] = items.get(label, 0) + more_ns
    return _dearest({label: more_ns for label, more_ns in items.items() if more_ns})


def _items_of(cost: FirstRunCost) -> dict[str, int]:
    if cost.parts_ns is None or cost.unexplained_ns is None:
        return {UNEXPLAINED: cost.excess_ns or 0}
    by_op = cost.node_host_ns
    in_nodes = (HostPart.NODE_BEFORE_LAUNCH, HostPart.NODE) if by_op is not None else ()
    items = {PART_LABELS[part]: more_ns for part, more_ns in cost.parts_ns.items() if part not in in_nodes}
    items |= {f"{op} nodes on the host": more_ns for op, more_ns in (by_op or {}).items()}
    return items | {UNEXPLAINED: cost.unexplained_ns}


def _dearest(items: Mapping[str, int]) -> Items:
    return sorted(items.items(), key=lambda item: -item[1])


def listed(items: Items) -> str:
    """`loading the model 73.6 ms, …, other 2.1 ms`: the dearest, and the sum of what is not named."""
    named = [f"{label} {format_ns(time_ns)}" for label, time_ns in items[:_TELLING]]
    other_ns = sum(time_ns for _, time_ns in items[_TELLING:])
    return ", ".join([*named, f"other {format_ns(other_ns)}"] if other_ns else named)


def runs_text(first_runs: FirstRuns) -> str:
    """`2 runs`, or `run`: those that were not steady yet, and that their times overlap, where they do."""
    count = len(first_runs.early)
    runs = "run" if count == 1 else f"{count} runs"
    return f"{runs} (which overlapped)" if first_runs.overlapping else runs


def tuning_text(analyses: Analyses, costs: Sequence[FirstRunCost]) -> str:
    """Whether the GPU ran a search for fast kernels in these runs; empty where a trace does not tell."""
    compared = [cost.kernels for cost in costs]
    if not compared or None in compared or not analyses.integrity.can_say(Claim.GPU_TIME).yes:
        return ""
    found = [each for each in compared if each is not None]
    only_here, time_ns = sum(each.only_here for each in found), sum(each.only_here_ns for each in found)
    if only_here:
        return f"the GPU ran {only_here} kernels that no steady run has, for {format_ns(time_ns)}"
    count, steady = sum(each.kernels for each in found), sum(each.steady_kernels for each in found)
    if count != steady:
        return f"the GPU ran {count} kernels where steady runs have {steady}, none that no steady run has"
    return "the GPU ran the same kernels as in steady runs: nothing was tuned on it"


def growth_text(costs: Sequence[FirstRunCost]) -> str:
    """By how much memory arenas grew in these runs; empty where that is not known, or nothing."""
    growth_bytes = sum(cost.arena_growth_bytes or 0 for cost in costs)
    return f"memory arenas grew by {format_bytes(growth_bytes)}" if growth_bytes else ""
