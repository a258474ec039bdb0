"""How phases, the slowest run and what tracing cost are said in front of people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ortprobe.analysis.runs.run_comparison import PhaseDifference, Reason, RunComparison
from ortprobe.analysis.runs.run_differences import IdleDifference, NodeDifference
from ortprobe.analysis.runs.run_phases import Phase
from ortprobe.analysis.runs.spread import Spread
from ortprobe.analysis.trust.overhead import LaunchCost
from ortprobe.bundle import ATTACHED_ORT_PROFILE, ATTACHED_TORCH_PROFILER
from ortprobe.report.wording import CAUSE_LABELS
from ortprobe.timeline import Timeline
from ortprobe.units import NOT_MEASURED, format_ns

PHASE_LABELS: Mapping[Phase, str] = {
    Phase.HOST_BEFORE: "host before",
    Phase.INPUT_COPIES: "streams and input copies",
    Phase.EXECUTE: "launching nodes",
    Phase.AFTER_EXECUTE: "after the nodes",
    Phase.BEFORE_LAUNCH: "up to the first launch",
    Phase.LAUNCHING: "first to last launch",
    Phase.AFTER_LAUNCH: "after the last launch",
    Phase.DRAIN: "waiting for the GPU",
    Phase.OUTPUT_COPIES: "output copies",
    Phase.FINISH: "finishing",
    Phase.HOST_AFTER: "host after",
}
_ATTACHED = ((ATTACHED_ORT_PROFILE, "ORT profile"), (ATTACHED_TORCH_PROFILER, "torch profiler"))


def attached_text(attached: int) -> str:
    """The bits of `Runs.attached` in words."""
    names = [name for bit, name in _ATTACHED if attached & bit]
    return " + ".join(names) or "hooks alone"


def spread_text(spread: Spread) -> str:
    """`median 2.18 ms, p90 2.3 ms, min 2.1 ms, max 2.9 ms`: a percentile of too few runs is left out."""
    return ", ".join(spread_parts(spread))


def spread_parts(spread: Spread) -> Sequence[str]:
    """The same, one by one."""
    percentiles = (("p90", spread.p90_ns), ("p95", spread.p95_ns), ("p99", spread.p99_ns))
    stated = [f"{name} {format_ns(time_ns)}" for name, time_ns in percentiles if time_ns is not None]
    ends = [f"min {format_ns(spread.min_ns)}", f"max {format_ns(spread.max_ns)}"] if spread.count > 1 else []
    return (f"median {format_ns(spread.median_ns)}", *stated, *ends)


def phases_text(phases: Mapping[Phase, int]) -> str:
    """`launching nodes 681 µs, waiting for the GPU 2.3 ms`: those that took time."""
    return ", ".join(f"{PHASE_LABELS[phase]} {format_ns(time_ns)}" for phase, time_ns in phases.items() if time_ns)


def signed_ns(duration_ns: int) -> str:
    """`+1.23 ms`."""
    return f"{'+' if duration_ns >= 0 else '−'}{format_ns(abs(duration_ns))}"


def phase_differences_text(slowest: RunComparison, most: int) -> str:
    """The phases that differ most, the largest first; those of a hundredth of the difference tell nothing."""
    told = [each for each in slowest.phases if abs(each.more_ns) > slowest.difference_ns / 100]
    largest = sorted(told, key=lambda each: -abs(each.more_ns))[:most]
    return ", ".join(f"{_phase_label(each)} {signed_ns(each.more_ns)}" for each in largest)


def telling_reasons(slowest: RunComparison, most: int) -> Sequence[Reason]:
    """The largest reasons, as far as each is more than a hundredth of the difference."""
    return [each for each in slowest.reasons if each.largest_ns > slowest.difference_ns / 100][:most]


def _phase_label(difference: PhaseDifference) -> str:
    return "the whole call" if difference.phase is None else PHASE_LABELS[difference.phase]


def reason_text(reason: Reason, timeline: Timeline) -> str:
    """`node Conv_3 +1.9 ms on the GPU`, `wait for stream 7 (torch) +2.5 ms`, `GPU 0 idle +1 ms: launch latency`."""
    if isinstance(reason, NodeDifference):
        name = timeline.names[timeline.nodes.name[reason.node]]
        on_device = (reason.device_ns or 0) >= (reason.host_ns or 0)
        return f"node {name} {signed_ns(reason.largest_ns)} {'on the GPU' if on_device else 'on the host'}"
    if isinstance(reason, IdleDifference):
        return f"GPU {reason.device} idle {signed_ns(reason.idle_ns)}: {CAUSE_LABELS[reason.cause]}"
    lane = timeline.lane_of(reason.work)
    owner = f" ({lane.owner})" if lane.owner else ""
    return f"wait for others' work on {lane.label}{owner} {signed_ns(reason.stall_ns)}"


def reason_span(reason: Reason) -> int:
    """A span to show for it; NONE where there is none."""
    if isinstance(reason, IdleDifference):
        return reason.because
    return reason.slow_span


def launch_cost_text(cost: LaunchCost) -> Iterator[str]:
    """What tracing adds to each CUDA call and node, and which gaps that makes; nothing where it was not measured."""
    if cost.cuda_call_ns is not None:
        least = "at least " if cost.hidden else ""
        yield f"each CUDA call {least}+{format_ns(cost.cuda_call_ns)}"
    if cost.node_ns is not None:
        yield f"each node +{format_ns(cost.node_ns)}"
    if cost.launch_ns is not None:
        yield f"gaps below {format_ns(cost.launch_ns)} are the tracer's"


def ratio_text(ratio: float | None) -> str:
    """`× 1.62`."""
    return NOT_MEASURED if ratio is None else f"× {ratio:.2f}"
