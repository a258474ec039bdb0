"""How critical paths and changes are told in front of people."""

from __future__ import annotations

from collections.abc import Mapping

from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.path.critical_path import PathKind
from ortprobe.analysis.path.path_shares import PathShares
from ortprobe.analysis.path.re_inits import WithoutReInits
from ortprobe.analysis.path.what_if import WhatIf, WhatIfs
from ortprobe.report.wording import CAUSE_LABELS
from ortprobe.timeline import NONE, Timeline
from ortprobe.units import format_ns, format_ratio

PATH_LABELS: Mapping[PathKind, str] = {
    PathKind.DEVICE: "GPU work",
    PathKind.HOST: "host",
    PathKind.LAUNCH: "launch latency",
    PathKind.STREAM_GAP: "between queued work",
    PathKind.EVENT_GAP: "a stream waiting for a stream",
    PathKind.RETURN: "return from waits",
    PathKind.UNEXPLAINED: "unexplained",
}

CHANGE_LABELS: Mapping[Change, str] = {
    Change.NO_PROGRAM_WAITS: "without the program's own waits",
    Change.NO_RUN_WAITS: "without the waits inside of runs",
    Change.NO_NEEDLESS_WAITS: "without the program's waits that order nothing",
    Change.NO_LEGACY_WAITS: "without ORT's waits for the default stream, which order nothing",
    Change.PINNED_MEMORY: "host copies from and to pinned memory",
    Change.NO_CPU_NODES: "without nodes on the CPU and their copies",
    Change.ONE_STREAM: "all work of a GPU on one stream",
    Change.ONE_LAUNCH: "each run launched at once (a CUDA graph)",
    Change.NO_LAYOUT_WORK: "without nodes that only move or cast elements",
    Change.NO_DEVICE_WORK: "if GPU work took no time",
}
_TOP_CAUSES = 3
_TOP_NODES = 3


def change_text(change: WhatIf, timeline: Timeline) -> str:
    """What is different, as a clause."""
    if change.cause is not None:
        return f"without the host's time for: {CAUSE_LABELS[change.cause]}"
    if change.node != NONE:
        return f"node {timeline.names[timeline.nodes.name[change.node]]} twice as fast on the GPU"
    return CHANGE_LABELS[change.change]


def path_text(shares: PathShares, timeline: Timeline) -> str:
    """`host 61 % (onnxruntime's host code 40 %, …), GPU work 30 % (Conv_3 12 %, …), …`"""
    return ", ".join(
        f"{PATH_LABELS[kind]} {format_ratio(ns, shares.latency_ns)}{_parts_of(kind, shares, timeline)}"
        for kind, ns in shares.by_kind.items()
    )


def _parts_of(kind: PathKind, shares: PathShares, timeline: Timeline) -> str:
    if kind is PathKind.HOST:
        parts = [(CAUSE_LABELS[cause], ns) for cause, ns in shares.host_by_cause.items()][:_TOP_CAUSES]
    elif kind is PathKind.DEVICE:
        nodes = [(node, ns) for node, ns in shares.device_by_node.items() if node != NONE][:_TOP_NODES]
        parts = [(timeline.names[timeline.nodes.name[node]], ns) for node, ns in nodes]
    else:
        parts = []
    return f" ({', '.join(f'{name} {format_ratio(ns, shares.latency_ns)}' for name, ns in parts)})" if parts else ""


def basis_text(what_ifs: WhatIfs) -> str:
    """What the changes were tried on, and how far the replay is off."""
    count, measured, replayed = len(what_ifs.loop.runs), what_ifs.measured.pace_ns, what_ifs.replayed.pace_ns
    head = (
        f"a loop of {count} runs, {format_ns(measured)} each as traced, replayed in {format_ns(replayed)} "
        f"(error {100 * what_ifs.error:.1f} %)"
    )
    if what_ifs.loop.untraced_pace_ns is None or what_ifs.untraced is None:
        return f"{head}; no untraced runs say what it takes without the tracer"
    untraced = f"{format_ns(what_ifs.loop.untraced_pace_ns)} each untraced"
    if not what_ifs.cost_per_call_ns:
        return f"{head}; {untraced}"
    cost = f"{format_ns(what_ifs.cost_per_call_ns)} for each call that was noted taken for the tracer's"
    return f"{head}; {untraced}, replayed in {format_ns(what_ifs.untraced.pace_ns)} with {cost}"


def saving_text(change: WhatIf, what_ifs: WhatIfs) -> str:
    """How much of the pace it saves."""
    return format_ratio(what_ifs.pace_ns - change.pace_ns, what_ifs.pace_ns)


def re_inits_text(without: WithoutReInits) -> str:
    """What the program took for a run, and what it would without building its session again."""
    times = "re-initialisation" if without.re_inits == 1 else f"{without.re_inits:,} re-initialisations"
    return (
        f"without its {times}: {format_ns(without.without_ns)} a run on average, not {format_ns(without.pace_ns)} "
        f"(saves {format_ns(without.pace_ns - without.high_ns)} to {format_ns(without.pace_ns - without.without_ns)} "
        f"a run, over {without.runs:,} runs)"
    )
