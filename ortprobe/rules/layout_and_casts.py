"""The GPU spends much of its time on moving elements around, or on turning them into another type.

What it is
    `Transpose` nodes, which come from the model or which ORT puts in for kernels that want another layout, and `Cast`
    nodes between parts of different precision. They compute nothing.

Why it matters
    Each reads and writes a whole tensor, at the speed of memory, and takes a launch.

Evidence
    The device time of such nodes, by ORT's profile and a GPU trace, of that of all nodes of the session.

Cost
    The device time of their kernels. What the loop would save without them is told by a replay; where the host sets the
    pace that can be less, and below one part in ten it is information.

Fix
    For convolutions in half precision `prefer_nhwc`; for casts one precision for the whole model, with the few nodes
    that need another next to each other.

When it is wrong
    Attention needs some transposes whatever the layout is.

Source
    ORT's CUDA provider option `prefer_nhwc`; `onnxconverter_common.float16`. Thresholds: see `thresholds.py`.
"""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.nodes.node_times import NodeTime
from ortprobe.analysis.nodes.placement import moving_nodes
from ortprobe.analysis.path.changes import Change
from ortprobe.analysis.trust.claims import Claim
from ortprobe.rules.evidence import cant_tell, cited, distinct_sites, op_types, time_of, without_nodes
from ortprobe.rules.finding import Confidence, Finding, NotApplicable, Outcome, Passed, Severity
from ortprobe.rules.replays import Saving, saving
from ortprobe.rules.rule import Rule
from ortprobe.rules.thresholds import LAYOUT_SAVES, LAYOUT_SHARE
from ortprobe.units import format_ns, format_ratio

_FIX = """\
For convolutions in half precision, ask for the layout that the GPU's kernels want:
    + cuda = {"prefer_nhwc": "1"}
      session = onnxruntime.InferenceSession(path, providers=[("CUDAExecutionProvider", cuda), "CPUExecutionProvider"])
For casts, convert the whole model, and block only the operators that need more:
    model = onnxconverter_common.float16.convert_float_to_float16(model, op_block_list=[...])"""


def check(analyses: Analyses) -> Outcome:
    if unknown := without_nodes(analyses):
        return unknown
    if not analyses.detour_times:
        return NotApplicable(why="no session ran nodes elsewhere than on the CPU", evidence_missing=False)
    if doubtful := cant_tell(analyses, Claim.GPU_TIME):
        return doubtful
    moving = moving_nodes(analyses.timeline)
    by_session: dict[int, list[NodeTime]] = {}
    for node in analyses.nodes.nodes:
        if node.device_ns is not None:
            by_session.setdefault(node.session, []).append(node)
    if not by_session:
        return NotApplicable(why="no run was watched whose device work has its nodes", evidence_missing=True)
    found = {
        session: [node for node in nodes if moving[node.node]]
        for session, nodes in by_session.items()
        if _share(analyses, nodes) >= LAYOUT_SHARE
    }
    return _finding(analyses, found, by_session) if found else Passed()


def _share(analyses: Analyses, nodes: list[NodeTime]) -> float:
    moving = moving_nodes(analyses.timeline)
    whole_ns = sum(node.device_ns or 0 for node in nodes)
    return sum(node.device_ns or 0 for node in nodes if moving[node.node]) / max(whole_ns, 1)


def _saving(analyses: Analyses, session: int) -> Saving | None:
    return saving(analyses, Change.NO_LAYOUT_WORK, session, "if they took no time")


def _finding(analyses: Analyses, found: dict[int, list[NodeTime]], all_nodes: dict[int, list[NodeTime]]) -> Finding:
    timeline = analyses.timeline
    session = max(found, key=lambda each: _share(analyses, all_nodes[each]))
    moving = [node for nodes in found.values() for node in nodes]
    saved = [saving for each in found if (saving := _saving(analyses, each))]
    is_dear = any(each.share >= LAYOUT_SAVES for each in saved)
    ops = timeline.device_ops.span
    own = np.isin(timeline.links.node[ops], [node.node for node in moving])
    runs = max(node.device_runs for node in found[session])
    own_ns = sum(node.device_ns or 0 for node in found[session])
    return Finding(
        code=RULE.code,
        severity=Severity.WARNING if is_dear else Severity.INFO,
        title=f"Nodes that only move or cast elements take {format_ratio(_share(analyses, all_nodes[session]), 1)} of "
        f"the GPU's time in nodes: {format_ns(own_ns // max(runs, 1))} of a run",
        detail=f"{op_types(timeline, (node.node for node in moving))}. " + " ".join(each.sentence for each in saved),
        count=len(moving),
        cost_ns=sum(node.device_ns or 0 for node in moving),
        confidence=Confidence.CERTAIN,
        where=distinct_sites(timeline.sessions[each].site for each in found),
        evidence=cited([node.first_span for node in sorted(moving, key=lambda node: -(node.device_ns or 0))]),
        fix=_FIX,
        over_runs=sum(max(node.device_runs for node in nodes) for nodes in found.values()),
        paid=time_of(timeline, ops[own]),
        saves_ns=sum(each.saves_ns for each in saved) if saved else None,
    )


RULE = Rule(code="N6", name="layout_and_casts", severity=Severity.WARNING, check=check, fix=_FIX)
